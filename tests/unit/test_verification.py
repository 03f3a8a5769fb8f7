"""Every demand has a test that bears its number, and a run that shows less than all of them fails."""

from pathlib import Path

import pytest

from tests.verification import read_demands

DEMANDS = """
[criteria]
"1" = "sends an invoice"
"1.1" = "takes a known plan"
"1.10" = "really calls Telegram"
[threats]
1 = "forged webhook"
[planned_threats]
2 = "an operator's double click"
"""
EVERYTHING_SHOWN = """
import pytest

@pytest.mark.criterion("1.1", "1.10")
@pytest.mark.parametrize("plan", ["gold", "silver"])
def test_a_plan_is_taken(plan):
    pass

@pytest.mark.threat(1)
def test_a_forgery_is_refused():
    pass
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """An empty project with demands of its own, and no plugin but ours."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.mkdir("docs")
    (pytester.path / "docs/acceptance.toml").write_text(DEMANDS)
    return pytester


def verify(project: pytest.Pytester, tests: str, *options: str) -> pytest.RunResult:
    project.makepyfile(test_some=tests)
    return project.runpytest("-p", "tests.verification", "--verify", "--strict-markers", *options)


def page(project: pytest.Pytester) -> str:
    return (project.path / "docs/acceptance.md").read_text()


def test_a_run_that_shows_everything_passes_and_says_so(project: pytest.Pytester) -> None:
    run = verify(project, EVERYTHING_SHOWN)

    assert run.ret == pytest.ExitCode.OK
    run.stdout.fnmatch_lines(
        [
            "*1.1 *takes a known plan*some: a plan is taken (2 cases)*passed*",
            "*1.10 *really calls Telegram*passed*",
            "*1 *forged webhook*some: a forgery is refused*passed*",
            "*2 *an operator's double click*planned*",
            "2 of 2 criteria shown, 1 of 1 threats shown, 1 more threats planned",
        ]
    )


def test_the_closing_line_is_still_pytest_s_own(project: pytest.Pytester) -> None:
    run = verify(project, EVERYTHING_SHOWN)

    assert "3 passed" in run.outlines[-1]


def test_the_page_links_each_test_and_is_the_same_after_every_run(project: pytest.Pytester) -> None:
    verify(project, EVERYTHING_SHOWN)
    first = page(project)
    verify(project, EVERYTHING_SHOWN)

    assert "| **1** | **The system sends an invoice** | | |" in first
    assert "| 1.1 | takes a known plan | [a plan is taken (2 cases)](../test_some.py) | passed |" in first
    assert page(project) == first


@pytest.mark.parametrize(
    ("tests", "row"),
    [
        pytest.param(EVERYTHING_SHOWN.replace(', "1.10"', ""), "*1.10 *no test*", id="a criterion without a test"),
        pytest.param(EVERYTHING_SHOWN.replace("@pytest.mark.threat(1)", ""), "*forged*no test*", id="a threat without"),
        pytest.param(
            EVERYTHING_SHOWN.replace("pass", "pytest.skip('no browser here')"), "*forged*skipped*", id="a skipped test"
        ),
        pytest.param(
            EVERYTHING_SHOWN.replace("pass", "pytest.xfail('known')"),
            "*forged*skipped*",
            id="a failure that was expected",
        ),
        pytest.param(
            EVERYTHING_SHOWN.replace("(plan):\n    pass", "(plan):\n    assert plan != 'silver'"),
            "*1.10 *failed*",
            id="one failed case of two",
        ),
        pytest.param(
            EVERYTHING_SHOWN + "@pytest.fixture(autouse=True)\ndef gone():\n    yield\n    assert False\n",
            "*forged*failed*",
            id="a failure after the test",
        ),
        pytest.param("def test_nothing_asked():\n    pass\n", "0 of 2 criteria shown*", id="no marks at all"),
        pytest.param("", "0 of 2 criteria shown*", id="no tests at all"),
    ],
)
def test_whatever_is_not_shown_fails_the_run(project: pytest.Pytester, tests: str, row: str) -> None:
    run = verify(project, tests)

    assert run.ret == pytest.ExitCode.TESTS_FAILED
    run.stdout.fnmatch_lines([row])


def test_a_planned_threat_may_be_shown_early(project: pytest.Pytester) -> None:
    run = verify(project, EVERYTHING_SHOWN.replace("threat(1)", "threat(1, 2)"))

    assert run.ret == pytest.ExitCode.OK
    run.stdout.fnmatch_lines(["*double click*passed*", "*0 more threats planned"])


@pytest.mark.parametrize(
    ("mark", "mistake"),
    [
        pytest.param('criterion("9.9")', "*test_some.py::test_it: criterion 9.9 is not in *", id="unknown criterion"),
        pytest.param('criterion("1")', "*criterion 1 is not in *", id="a chapter"),
        pytest.param(
            "criterion(1.10)", "*criterion 1.1 (float) is not in *", id="a number that means another criterion"
        ),
        pytest.param("threat(3)", "*threat 3 is not in *", id="unknown threat"),
        pytest.param('threat("1")', "*threat '1' (str) is not in *", id="a threat in quotes"),
        pytest.param("threat(True)", "*threat True (bool) is not in *", id="a threat that is true"),
        pytest.param("threat()", "*threat names no number*", id="a mark without a number"),
    ],
)
def test_a_mark_that_no_demand_answers_to_stops_every_run(project: pytest.Pytester, mark: str, mistake: str) -> None:
    project.makepyfile(test_some=f"import pytest\n@pytest.mark.{mark}\ndef test_it():\n    pass\n")

    run = project.runpytest("-p", "tests.verification", "-m", "something_else")

    assert run.ret == pytest.ExitCode.USAGE_ERROR
    run.stderr.fnmatch_lines([mistake])


def test_a_run_that_is_not_asked_to_verify_leaves_the_page_alone(project: pytest.Pytester) -> None:
    project.makepyfile(test_some="def test_it():\n    pass\n")

    run = project.runpytest("-p", "tests.verification")

    assert run.ret == pytest.ExitCode.OK
    assert not (project.path / "docs/acceptance.md").exists()


def test_what_the_service_is_held_against_is_complete(request: pytest.FixtureRequest) -> None:
    demands = read_demands(Path(request.config.rootpath / "docs/acceptance.toml"))

    assert sum(demand.mark == "criterion" for demand in demands) == 53
    assert [demand.number for demand in demands if demand.mark == "threat"] == [str(n) for n in range(1, 53)]
