"""The whole service lives through simulated storms, and nothing that it promises is broken; planted bugs are found."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from entrypoints.simulation.sabotage import BUGS
from entrypoints.simulation.scripts import SCRIPTS, play
from entrypoints.simulation.seeds import SOMETIMES, run_seed, run_seeds

SIM = Path(sys.executable).parent / "tollgram-sim"
SEEDS = 500
BREAKS_A_COMMIT = ("no UNIQUE", "look up, then insert")
"""Bugs that need two processes at the same place at the same moment, and so more seeds."""


def simulate(*arguments: str, within_s: float = 900.0) -> subprocess.CompletedProcess[str]:
    """In processes of its own, whose lines nobody counts: that would take three times as long."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    return subprocess.run(
        [SIM, *arguments], capture_output=True, text=True, timeout=within_s, env=environment, check=False
    )


@pytest.mark.threat(26)
@pytest.mark.threat(27)
@pytest.mark.threat(50)
@pytest.mark.threat(51)
@pytest.mark.timeout(1000)
def test_five_hundred_storms_and_a_crash_at_every_point_break_no_promise() -> None:
    ran = simulate("--seeds", str(SEEDS), "--rounds", "0")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Violations: 0\n" in ran.stdout
    assert f"Happened at least once: {len(SOMETIMES)} of {len(SOMETIMES)}\n" in ran.stdout
    print(ran.stdout.split("| happened")[0])


def test_the_same_seed_gives_the_same_story_to_the_letter() -> None:
    stories: list[list[str]] = [[], []]
    first, second = (run_seed(7, payments=30, listener=story.append) for story in stories)
    assert stories[0] == stories[1]
    assert len(stories[0]) > 100
    assert first == second


def test_another_seed_gives_another_story() -> None:
    assert run_seed(7, payments=10).seen != run_seed(8, payments=10).seen


@pytest.mark.parametrize("seed", [16, 32, 40, 65, 77, 120])
def test_seeds_that_once_failed_hold_for_good(seed: int) -> None:
    assert run_seed(seed).violations == ()


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_small_story_by_itself_ends_well(script: str) -> None:
    played = play(script)
    assert played.outcome.violations == ()
    assert played.left, "nobody has paid"


@pytest.mark.parametrize("bug", [bug for bug in BUGS if bug not in {*BREAKS_A_COMMIT, "lease by the wall clock"}])
def test_a_planted_bug_is_caught(bug: str) -> None:
    found = (run_seed(seed, make=BUGS[bug]).violations for seed in range(1, 51))
    assert any(found), f"fifty seeds did not notice: {bug}"


def test_what_many_seeds_found_is_summed_up() -> None:
    total = run_seeds(range(3))
    assert total.seeds == 3
    assert total.payments >= 300
    assert total.failed == []
    assert set(total.never) < set(SOMETIMES), "three seeds can't show everything"


def test_a_story_is_told_line_by_line() -> None:
    told = simulate("--script", "paid twice", "--crash", "60")
    assert told.returncode == 0, told.stderr
    lines = told.stdout.splitlines()
    assert sum("money moved" in line for line in lines) == 2
    assert any("dies" in line for line in lines)
    assert lines[-1].startswith("paid twice: 2 payments, ")
    assert lines[-1].endswith(" 0 violations")


def test_a_story_with_a_planted_bug_ends_with_what_is_violated() -> None:
    told = simulate("--script", "bought again", "--bug", "extend from now instead of from the end")
    assert told.returncode == 1
    assert "VIOLATED 5: " in told.stdout


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        pytest.param(("--script", "nothing"), "paid twice", id="a script that is none"),
        pytest.param(("--seed", "1", "--bug", "nothing"), "no reconciler", id="a bug that is none"),
    ],
)
def test_who_asks_for_what_is_not_there_is_told_what_there_is(arguments: tuple[str, ...], names: str) -> None:
    told = simulate(*arguments)
    assert told.returncode == 2
    assert "There is no " in told.stderr
    assert names in told.stderr
