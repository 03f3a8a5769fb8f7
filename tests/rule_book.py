"""Writes docs/rule-book.md: what the unit tests promise, read off their names.

    python -m tests.rule_book          writes it
    python -m tests.rule_book --check  exit code 1 where it would be written otherwise

A file of tests is a situation, each of its functions a rule, and each parameter a case of it. Nothing is run.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "rule-book.md"
HEAD = """# The rule book

What the service does and refuses to do, read off the names of the tests that hold it to that. Written by
`python -m tests.rule_book` from `tests/unit`; change a rule there, with its test.
"""
MOST_CASES_TOLD = 24
ABOUT_THE_CODE = frozenset({"test_architecture", "test_pinned_requirements", "test_verification"})
"""Files whose rules are about how the service is built; they come last."""

_SHORTENED = re.compile(r"(\w) (s|t|re|ll|ve)\b")
# Not what pytest makes of values, such as gold_1m-None or Price(amount=5).
_IN_WORDS = re.compile(r"(?=.*[A-Za-z])-?[A-Za-z0-9](?:[A-Za-z0-9 ,.:;']|\([a-z ]+\)|(?<=[a-z])-(?=[a-z]))*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """One file: `about` is its docstring's first paragraph; rules come in the file's own order, with their cases."""

    name: str
    path: str
    about: str
    rules: Mapping[str, Sequence[str]]


@dataclass(slots=True)
class Collector:
    """A pytest plugin that keeps what was collected."""

    items: list[pytest.Item] = field(default_factory=list)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.items = list(session.items)


def collect(folder: Path = ROOT / "tests" / "unit") -> list[Situation]:
    """Raises RuntimeError where the tests can't be collected."""
    collector = Collector()
    with redirect_stdout(StringIO()) as said:
        code = pytest.main(["--collect-only", "-q", "--rootdir", str(ROOT), str(folder)], plugins=[collector])
    if code != pytest.ExitCode.OK:
        raise RuntimeError(said.getvalue())
    files: dict[Path, dict[str, list[str]]] = {}
    about: dict[Path, str] = {}
    for item in collector.items:
        if isinstance(item, pytest.Function):
            name, _, case = item.name.partition("[")
            files.setdefault(item.path, {}).setdefault(name, []).extend([case[:-1]] if case else [])
            about[item.path] = (item.module.__doc__ or "").partition("\n\n")[0].replace("\n", " ").strip()
    return [
        Situation(
            name=sentence(path.stem),
            path=path.relative_to(ROOT).as_posix(),
            about=about[path],
            rules={sentence(name): cases for name, cases in rules.items()},
        )
        for path, rules in sorted(files.items(), key=lambda file: (file[0].stem in ABOUT_THE_CODE, file[0]))
    ]


def sentence(name: str) -> str:
    """`test_a_plan_s_end` as people write it: A plan's end."""
    words = _SHORTENED.sub(_shortened, name.removeprefix("test_").replace("_", " "))
    return words[:1].upper() + words[1:]


def _shortened(found: re.Match[str]) -> str:
    return f"{found[1]}'{found[2]}"


def page(situations: Sequence[Situation]) -> str:
    parts = [HEAD]
    for situation in situations:
        parts.append(f"## {situation.name}\n\n{situation.about} [Its tests](../{situation.path})\n")
        parts.append("".join(_rule(rule, cases) for rule, cases in situation.rules.items()))
    return "\n".join(parts)


def _rule(rule: str, cases: Sequence[str]) -> str:
    """A line, and below it the cases where all are told in words and can be taken in; else only how many they are."""
    if len(cases) <= MOST_CASES_TOLD and all(_IN_WORDS.fullmatch(case) for case in cases):
        return f"- {rule}\n" + (f"  - {' · '.join(cases)}\n" if cases else "")
    return f"- {rule} ({len(cases)} cases)\n"


def main() -> int:
    text = page(collect())
    if "--check" in sys.argv[1:]:
        same = PAGE.exists() and PAGE.read_text(encoding="utf-8") == text
        sys.stdout.write("" if same else "docs/rule-book.md is not what python -m tests.rule_book writes\n")
        return 0 if same else 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
