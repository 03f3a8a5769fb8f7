"""Do the unit tests, and the contracts of what operators read, take every line and branch of the core?

A pytest plugin, for `--core`: it counts lines while those tests run, and of the domain and the application alone, so
that the same run may hold all other tests, at their own speed. A line that none took fails the run.
"""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Final

import pytest
from coverage import Coverage

ROOT: Final = Path(__file__).parents[1]
COUNTED: Final = (
    "tests/unit/",
    "tests/integration/test_contract_of_the_figures.py",
    "tests/integration/test_contract_of_the_register.py",
)
NOT_RUN: Final = ("@abstractmethod", "if TYPE_CHECKING:", r"assert_never\(")
WHERE: Final = "TOLLGRAM_TESTS_COUNT_THE_CORE_IN"
"""The file in which it is counted; beside it each process has one of its own."""


def _coverage(*, suffix: bool) -> Coverage:
    coverage = Coverage(
        data_file=os.environ[WHERE],
        data_suffix=suffix,
        config_file=False,
        source_pkgs=["domain", "application"],
        branch=True,
        messages=False,
    )
    # The process that hands tests out imports nothing of it.
    coverage.set_option("run:disable_warnings", ["module-not-imported", "no-data-collected"])
    return coverage


# A module's own lines are run when it is first imported, which conftests do before options are known; and those who
# run tests for others are not started with our options.
if "--core" in sys.argv:
    os.environ.setdefault(WHERE, str(ROOT / ".coverage.core"))
counting = _coverage(suffix=True) if WHERE in os.environ else None
if counting:
    counting.start()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--core", action="store_true", help="fail where a line of the core is taken by none of its tests")


def pytest_configure(config: pytest.Config) -> None:
    if counting:
        config.pluginmanager.register(CoreCoverage(counting, sums_up=not hasattr(config, "workerinput")))


@dataclass
class CoreCoverage:
    """In each process that runs tests, and in the one that hands them out, which sums up."""

    coverage: Coverage
    sums_up: bool
    problem: str = "not judged: the run was broken off"

    def __post_init__(self) -> None:
        if self.sums_up:
            data = Path(os.environ[WHERE])
            for left in data.parent.glob(f"{data.name}*"):
                left.unlink()

    @pytest.hookimpl
    def pytest_collection_finish(self) -> None:
        self.coverage.stop()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        if not item.nodeid.startswith(COUNTED):
            return (yield)
        self.coverage.start()
        try:
            return (yield)
        finally:
            self.coverage.stop()

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self.coverage.save()
        if self.sums_up and not session.shouldfail:
            self.problem = _judged()
            if self.problem and session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.sums_up:
            return
        terminalreporter.section("core")
        terminalreporter.line(self.problem or "its tests take every line and branch of the domain and the application")


def _judged() -> str:
    """Empty where nothing is missing."""
    told = StringIO()
    whole = _coverage(suffix=False)
    for line in NOT_RUN:
        whole.exclude(line)
    whole.combine()
    share = whole.report(file=told, show_missing=True, skip_covered=True)
    return "" if share == 100 else told.getvalue()
