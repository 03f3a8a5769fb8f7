"""Holds the tests against docs/acceptance.toml: which criterion and which threat has tests, and did they pass.

A pytest plugin. It refuses marks with unknown numbers in every run; with `--verify` it also prints the table, writes
docs/acceptance.md, and fails the run where something that is asked is not shown.
"""

import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from io import StringIO
from pathlib import Path
from typing import Final

import pytest
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

DEMANDS: Final = "docs/acceptance.toml"
PAGE: Final = "docs/acceptance.md"
WIDTH_OF_NO_TERMINAL: Final = 160
MARKS: Final = {
    "criterion": 'criterion(number, ...): shows that an acceptance criterion holds, by its number: criterion("2.5")',
    "threat": "threat(number, ...): tries from outside what must not work, by its number: threat(5)",
}


class Result(StrEnum):
    """Of one test, one case of it, or one demand; of several the last in this order counts."""

    PASSED = "passed"
    PLANNED = "planned"
    SKIPPED = "skipped"
    NOT_RUN = "not run"
    FAILED = "failed"
    NO_TEST = "no test"


COLOURS: Final = {Result.PASSED: "green", Result.PLANNED: "dim", Result.SKIPPED: "yellow"}
SEVERITY: Final = {result: place for place, result in enumerate(Result)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """One criterion, with the chapter that it stands in, or one threat."""

    mark: str
    number: str
    asks: str
    chapter: str = ""
    planned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A demand with what its tests came to: by path and function, one result a case."""

    demand: Demand
    tests: Mapping[tuple[str, str], Sequence[Result]]

    @property
    def result(self) -> Result:
        if not self.tests:
            return Result.PLANNED if self.demand.planned else Result.NO_TEST
        return worst(result for cases in self.tests.values() for result in cases)

    @property
    def holds(self) -> bool:
        return self.result is Result.PASSED or (self.demand.planned and self.result is not Result.FAILED)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--verify", action="store_true", help=f"print what of {DEMANDS} is shown, and write {PAGE}")


def pytest_configure(config: pytest.Config) -> None:
    for line in MARKS.values():
        config.addinivalue_line("markers", line)
    config.pluginmanager.register(Verification(demands=read_demands(config.rootpath / DEMANDS), config=config))


@dataclass(kw_only=True, eq=False)
class Verification:
    """The plugin of one run: what was collected, and what became of it."""

    demands: Sequence[Demand]
    config: pytest.Config
    marks: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    results: dict[str, Result] = field(default_factory=dict)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        known = {(demand.mark, demand.number) for demand in self.demands}
        mistakes = {
            f"{item.nodeid.partition('[')[0]}: {mark} {number} is not in {DEMANDS}"
            for item in items
            for mark in MARKS
            for number in _numbers(item, mark)
            if (mark, number) not in known
        }
        mistakes |= {
            f"{item.nodeid.partition('[')[0]}: {mark} names no number"
            for item in items
            for mark in MARKS
            for found in item.iter_markers(mark)
            if not found.args
        }
        if mistakes:
            raise pytest.UsageError("\n".join(sorted(mistakes)))
        for item in items:
            # In the report too: where several processes share the tests, the one that sums up collects none itself.
            item.user_properties += [(mark, number) for mark in MARKS for number in set(_numbers(item, mark))]

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.marks = {item.nodeid: _marks(item.user_properties) for item in session.items}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.marks.setdefault(report.nodeid, _marks(report.user_properties))
        result = Result(report.outcome)
        if report.when == "call" or result is not Result.PASSED:
            self.results[report.nodeid] = worst([result, self.results.get(report.nodeid, Result.PASSED)])

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if not self.asked or exitstatus not in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
            return
        if not all(shown.holds for shown in self.shown()):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
        ended = {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED, pytest.ExitCode.TESTS_FAILED}
        if not self.asked or exitstatus not in ended:
            return
        shown = self.shown()
        (self.config.rootpath / PAGE).write_text(page(shown), encoding="utf-8")
        terminal = terminalreporter.isatty
        width = terminalreporter._tw.fullwidth if terminal else WIDTH_OF_NO_TERMINAL
        terminalreporter.section("what is asked, and what shows it")
        terminalreporter.write(in_terminal(shown, width=width, colour=terminalreporter.hasmarkup))
        complete = all(one.holds for one in shown)
        terminalreporter.write_line(summary(shown), green=complete, red=not complete)

    @property
    def asked(self) -> bool:
        shares = hasattr(self.config, "workerinput")  # one of several processes, which sums up nothing
        return bool(self.config.getoption("verify")) and not shares and not self.config.getoption("collectonly")

    def shown(self) -> list[Shown]:
        tests: dict[tuple[str, str], dict[tuple[str, str], list[Result]]] = {}
        for nodeid, marks in self.marks.items():
            path, _, name = nodeid.partition("[")[0].partition("::")
            result = self.results.get(nodeid, Result.NOT_RUN)
            for mark in marks:
                tests.setdefault(mark, {}).setdefault((path, name), []).append(result)
        return [
            Shown(demand=demand, tests=dict(sorted(tests.get((demand.mark, demand.number), {}).items())))
            for demand in self.demands
        ]


def _marks(properties: Iterable[tuple[str, object]]) -> set[tuple[str, str]]:
    return {(name, str(value)) for name, value in properties if name in MARKS}


def read_demands(path: Path) -> list[Demand]:
    """Criteria under their chapters, then threats by number."""
    told = tomllib.loads(path.read_text(encoding="utf-8"))
    criteria = [
        Demand(mark="criterion", number=number, asks=asks, chapter=told["criteria"][number.partition(".")[0]])
        for number, asks in told["criteria"].items()
        if "." in number
    ]
    threats = [
        Demand(mark="threat", number=number, asks=asks, planned=table == "planned_threats")
        for table in ("threats", "planned_threats")
        for number, asks in told.get(table, {}).items()
    ]
    return [*criteria, *sorted(threats, key=lambda threat: int(threat.number))]


def worst(results: Iterable[Result]) -> Result:
    return max(results, key=SEVERITY.__getitem__)


def summary(shown: Sequence[Shown]) -> str:
    said = []
    for mark, plural in (("criterion", "criteria"), ("threat", "threats")):
        due = [one for one in shown if one.demand.mark == mark and not one.demand.planned]
        said.append(f"{sum(one.holds for one in due)} of {len(due)} {plural} shown")
    planned = Counter(one.result for one in shown if one.demand.planned)
    said.append(f"{planned[Result.PLANNED]} more threats planned")
    return ", ".join(said)


def in_terminal(shown: Sequence[Shown], *, width: int, colour: bool) -> str:
    table = Table("no.", "what is asked", "shown by", "result", box=box.SIMPLE_HEAD, pad_edge=False)
    table.columns[0].no_wrap = table.columns[3].no_wrap = True
    for one, heading in _with_headings(shown):
        if heading:
            table.add_section()
            table.add_row(*(Text(cell, style="bold") for cell in heading))
        tests = "\n".join(f"{_situation(path)}: {_told(name, cases)}" for (path, name), cases in one.tests.items())
        result = Text(one.result, style=COLOURS.get(one.result, "bold red"))
        table.add_row(one.demand.number, Text(one.demand.asks), Text(tests), result)
    console = Console(file=StringIO(), width=width, force_terminal=colour, no_color=not colour, legacy_windows=False)
    with console.capture() as printed:
        console.print(table)
    return printed.get()


def page(shown: Sequence[Shown]) -> str:
    """The same table to read, with links; no times in it, so that it changes only when something did."""
    lines = ["# What is asked, and the tests that show it", "", "Written by `make verify` from `acceptance.toml`.", ""]
    lines += [f"{summary(shown)}.", "", "| no. | what is asked | shown by | result |", "| --- | --- | --- | --- |"]
    for one, heading in _with_headings(shown):
        if heading:
            lines.append("| " + " | ".join(f"**{cell}**" if cell else "" for cell in heading) + " | | |")
        lines.append(_row(one))
    return "\n".join(lines) + "\n"


def _with_headings(shown: Sequence[Shown]) -> Iterator[tuple[Shown, tuple[str, str] | None]]:
    """Each with the number and name of the part that begins with it, where one does."""
    before = None
    for one in shown:
        part = (one.demand.mark, one.demand.chapter)
        if part == before:
            yield one, None
        elif one.demand.mark == "criterion":
            yield one, (one.demand.number.partition(".")[0], f"The system {one.demand.chapter}")
        else:
            yield one, ("", "What must not work")
        before = part


def _row(one: Shown) -> str:
    links = "<br>".join(f"[{_told(name, cases)}](../{path})" for (path, name), cases in one.tests.items())
    asks = one.demand.asks.replace("|", "\\|")
    return f"| {one.demand.number} | {asks} | {links} | {one.result} |"


def _numbers(item: pytest.Item, mark: str) -> Iterator[str]:
    """As they stand in the table. One of another type never does: the float 1.10 would pass for 1.1."""
    wanted = str if mark == "criterion" else int
    for found in item.iter_markers(mark):
        for number in found.args:
            yield str(number) if type(number) is wanted else f"{number!r} ({type(number).__name__})"


def _situation(path: str) -> str:
    return Path(path).stem.removeprefix("test_").replace("_", " ")


def _told(name: str, cases: Sequence[Result]) -> str:
    sentence = name.rpartition("::")[2].removeprefix("test_").replace("_", " ")
    return f"{sentence} ({len(cases)} cases)" if len(cases) > 1 else sentence
