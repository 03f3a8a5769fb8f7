"""What `tollgram up` makes up where the operator has set nothing, and keeps for the next run: secrets and keys."""

import os
import secrets
import sys
from pathlib import Path

from adapters.clock import SystemClock
from adapters.passports.rotation import rotate
from entrypoints.settings import given_settings, written_settings

VAR = Path("var")
MADE_UP = VAR / "secrets.env"
PASSPORT_KEYS = VAR / "passport-keys.json"
SECRETS = ("TELEGRAM_WEBHOOK_SECRET", "INVOICE_SIGNING_KEYS", "AUTH_JWT_SECRET")


def settings_of_a_run(public_url: str) -> dict[str, str]:
    """The operator's settings, and made-up secrets where there are none. Raises SettingsError."""
    given = {name: value for name, value in given_settings().items() if value}
    kept = {name: value for name, value in written_settings(MADE_UP).items() if value}
    wanted = [
        name for name in SECRETS if name not in given and not (name == "AUTH_JWT_SECRET" and "AUTH_JWKS" in given)
    ]
    made_up = {name: kept.get(name) or secrets.token_urlsafe(48) for name in wanted}
    if any(name not in kept for name in wanted):
        write_privately(MADE_UP, "".join(f"{name}={value}\n" for name, value in {**kept, **made_up}.items()))
    elif wanted:
        MADE_UP.chmod(0o600)
    values = {**made_up, **given}
    if "PASSPORT_KEYS" not in given:
        values["PASSPORT_KEYS"] = str(_passport_keys())
    values.setdefault("PUBLIC_URL", public_url)
    if sys.stdout.isatty():
        values.setdefault("LOG_FORMAT", "console")
    return values


def _passport_keys() -> Path:
    """Made on the first run, as the secrets are."""
    if not PASSPORT_KEYS.exists():
        rotate(PASSPORT_KEYS, SystemClock().now())
    PASSPORT_KEYS.chmod(0o600)
    return PASSPORT_KEYS


def write_privately(path: Path, text: str) -> None:
    """Whole or not at all, and never for others' eyes."""
    path.parent.mkdir(exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)
