"""Looks at the settings: is any wrong, missing, misspelled, or open for others to read."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path

from entrypoints.examination.findings import Finding, Verdict
from entrypoints.settings import Settings, SettingsError, known_settings, written_settings

ENV_FILE = Path(".env")
_SECRET_WORDS = ("TOKEN", "SECRET", "KEY")


def read_settings(given: Mapping[str, str]) -> tuple[Settings, SettingsError | None]:
    """The settings, and what is missing in them. Raises SettingsError where one is wrong."""
    try:
        return Settings.read(given, serving=True), None
    except SettingsError as error:
        return Settings.read(given), error


def wrong_settings(error: SettingsError | None) -> Iterator[Finding]:
    if error is None:
        yield Finding(Verdict.GOOD, "settings", "complete")
        return
    for problem in error.problems:
        name, _, what = problem.partition(": ")
        remedy = (
            "Mend that line." if name == ENV_FILE.name else "Set it in the environment or in .env; see .env.example."
        )
        yield Finding(Verdict.WRONG, "settings", f"{name} {what}", remedy)


def examine_env_file() -> Iterator[Finding]:
    """Raises SettingsError where it can't be read."""
    written = written_settings(ENV_FILE)
    known = known_settings()
    for name in written:
        if name not in known and (meant := get_close_matches(name, known, n=1, cutoff=0.85)):
            yield Finding(
                Verdict.WARNING, "settings", f"{name} in .env is no setting of this version", f"Is {meant[0]} meant?"
            )
    holds_secrets = any(value and word in name for name, value in written.items() for word in _SECRET_WORDS)
    if holds_secrets and ENV_FILE.stat().st_mode & 0o077:
        yield Finding(
            Verdict.WARNING, "settings", "other users of this machine can read the secrets in .env", "chmod 600 .env"
        )
