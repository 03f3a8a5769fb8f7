"""A catalog is read whole or not at all, and every mistake in it is told with its place, all in one run."""

from pathlib import Path
from typing import Any

import pytest

from adapters.catalog_file import MAX_BYTES, MAX_FEATURES, MAX_PLANS, CatalogError, read_catalog
from domain.catalog import Catalog, Plan
from domain.duration import LIFETIME, Duration, Unit
from domain.ids import PlanCode
from domain.money import MAX_AMOUNT

GOLD: dict[str, str] = {
    "title": '"Gold, 1 month"',
    "description": '"Signals and copy trading"',
    "features": '["signals", "copy_trading"]',
    "limits": "{ max_devices = 3 }",
    "duration": '"1 month"',
    "prices": "{ GBP = 2500, XTR = 1250 }",
    "renew_window": '"2 weeks"',
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def test_a_plan_is_read_as_it_is_written(folder: Path) -> None:
    assert read(folder, plan()) == Catalog(
        plans={
            PlanCode("gold_1m"): Plan(
                code=PlanCode("gold_1m"),
                title="Gold, 1 month",
                description="Signals and copy trading",
                features=("signals", "copy_trading"),
                limits={"max_devices": 3},
                duration=Duration(count=1, unit=Unit.MONTH),
                prices={"GBP": 2500, "XTR": 1250},
                renew_window=Duration(count=2, unit=Unit.WEEK),
            )
        }
    )


def test_limits_and_renew_window_may_be_left_out(folder: Path) -> None:
    read_plan = only(read(folder, plan(limits=None, renew_window=None, duration='"lifetime"')))

    assert (read_plan.limits, read_plan.renew_window) == ({}, Duration(count=3, unit=Unit.DAY))
    assert read_plan.duration == LIFETIME


def test_plans_keep_their_order(folder: Path) -> None:
    assert list(read(folder, plan("z"), plan("a"), plan("m")).plans) == ["z", "a", "m"]


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"title": f'"{"x" * 32}"', "description": f'"{"x" * 255}"'}, id="the longest texts"),
        pytest.param({"title": '"x"', "description": '"x"'}, id="the shortest"),
        pytest.param({"title": '"👨‍👩‍👧 ערב"'}, id="a family and right-to-left letters"),
        pytest.param({"prices": f"{{ XTR = {MAX_AMOUNT} }}"}, id="the highest price"),
        pytest.param({"prices": "{ JPY = 1 }"}, id="one yen"),
        pytest.param({"limits": f"{{ a = 0, b = {MAX_AMOUNT} }}"}, id="limits of nothing and of all"),
        pytest.param({"duration": '"1000 years"'}, id="a thousand years"),
        pytest.param({"features": str([f"f{n}" for n in range(MAX_FEATURES)])}, id="as many features as may be"),
        pytest.param({"features": f'["{"a" * 64}", "a.b:c-d_e"]'}, id="odd but good feature names"),
    ],
)
def test_up_to_the_limits_all_is_well(folder: Path, fields: dict[str, str]) -> None:
    assert only(read(folder, plan(**fields))).code == "gold_1m"


@pytest.mark.parametrize(
    ("field", "written", "place"),
    [
        pytest.param("title", None, "title", id="no title"),
        pytest.param("title", '""', "title", id="an empty title"),
        pytest.param("title", '"   "', "title", id="a blank title"),
        pytest.param("title", f'"{"x" * 33}"', "title", id="a title of 33 characters"),
        pytest.param("title", "7", "title", id="a title that is a number"),
        pytest.param("title", r'"one\ntwo"', "title", id="a line break in the title"),
        pytest.param("title", r'"evil \u202e eltit"', "title", id="a title that turns the line around"),
        pytest.param("description", None, "description", id="no description"),
        pytest.param("description", f'"{"x" * 256}"', "description", id="a description of 256 characters"),
        pytest.param("description", r'"\u0000"', "description", id="a description of NUL"),
        pytest.param("features", None, "features", id="no features"),
        pytest.param("features", "[]", "features", id="an empty list of features"),
        pytest.param("features", '"signals"', "features", id="features that are a text"),
        pytest.param("features", str([f"f{n}" for n in range(MAX_FEATURES + 1)]), "features", id="too many features"),
        pytest.param("features", '["signals", "Copy Trading"]', "features[1]", id="a feature's name with capitals"),
        pytest.param("features", '["signals", 7]', "features[1]", id="a feature that is a number"),
        pytest.param("features", f'["{"a" * 65}"]', "features[0]", id="a feature's name that is too long"),
        pytest.param("features", '["signals", "b", "signals"]', "features[2]", id="a feature named twice"),
        pytest.param("limits", "3", "limits", id="limits that are a number"),
        pytest.param("limits", '{ "Max Devices" = 3 }', 'limits."Max Devices"', id="a limit's name with a blank"),
        pytest.param("limits", "{ max = -1 }", "limits.max", id="a negative limit"),
        pytest.param("limits", "{ max = 1.5 }", "limits.max", id="half a device"),
        pytest.param("limits", "{ max = true }", "limits.max", id="a limit of true"),
        pytest.param("limits", f"{{ max = {MAX_AMOUNT + 1} }}", "limits.max", id="a limit beyond all numbers"),
        pytest.param("prices", None, "prices", id="no prices"),
        pytest.param("prices", "{}", "prices", id="an empty table of prices"),
        pytest.param("prices", "1250", "prices", id="a price without a currency"),
        pytest.param("prices", "{ XTR = 0 }", "prices.XTR", id="free of charge"),
        pytest.param("prices", "{ XTR = -1 }", "prices.XTR", id="a negative price"),
        pytest.param("prices", "{ GBP = 25.00 }", "prices.GBP", id="a price with decimals"),
        pytest.param("prices", '{ GBP = "2500" }', "prices.GBP", id="a price in quotes"),
        pytest.param("prices", "{ GBP = true }", "prices.GBP", id="a price of true"),
        pytest.param("prices", f"{{ XTR = {MAX_AMOUNT + 1} }}", "prices.XTR", id="a price beyond all amounts"),
        pytest.param("prices", "{ xtr = 5 }", "prices.xtr", id="a currency in small letters"),
        pytest.param("prices", "{ BTC = 5 }", "prices.BTC", id="no currency of Telegram's"),
        pytest.param("prices", r'{ "\u001b[31m" = 5 }', r'prices."\u001b[31m"', id="a currency that colours terminals"),
        pytest.param("renew_window", '"lifetime"', "renew_window", id="a renew window for life"),
        pytest.param("renew_window", '"soon"', "renew_window", id="a renew window in words"),
        pytest.param("colour", '"gold"', "colour", id="a field that nobody knows"),
        pytest.param("duration", None, "duration", id="no duration"),
        pytest.param("duration", '"a month"', "duration", id="a duration in words"),
        pytest.param("duration", "30", "duration", id="a duration without a unit"),
    ],
)
def test_a_mistake_is_told_with_its_place(folder: Path, field: str, written: str | None, place: str) -> None:
    mistakes = mistakes_of(folder, plan(**{field: written}))

    assert [mistake.partition(": ")[0] for mistake in mistakes] == [f"plans.gold_1m.{place}"]
    assert all(mistake.isprintable() for mistake in mistakes)


@pytest.mark.threat(28)
@pytest.mark.parametrize(
    "duration",
    ["0 days", "0 months", "-1 months", "-1 day", "+1 day", "1001 days", "00 days", "01 day", "1.5 months", "1e3 days",
     "٣ days", "1  month", "1 month ", "2 month", "1 months", "1 hour", "Lifetime", ""],
)  # fmt: skip
@pytest.mark.parametrize("field", ["duration", "renew_window"])
def test_time_that_does_not_pass_is_no_duration(folder: Path, field: str, duration: str) -> None:
    mistakes = mistakes_of(folder, plan(**{field: f'"{duration}"'}))

    assert [mistake.partition(": ")[0] for mistake in mistakes] == [f"plans.gold_1m.{field}"]
    assert "1 to 1000 days, weeks, months or years" in mistakes[0]


@pytest.mark.threat(28)
@pytest.mark.parametrize("written", ["0", "-1", "-30.5", "true", "1979-05-27", '["1 day"]', "{ days = -1 }"])
def test_a_duration_is_nothing_but_words(folder: Path, written: str) -> None:
    mistakes = mistakes_of(folder, plan(duration=written))

    assert [mistake.partition(": ")[0] for mistake in mistakes] == ["plans.gold_1m.duration"]


@pytest.mark.parametrize("code", ["Gold", "gold-1m", "gold 1m", "gøld", "x" * 41, "", "a.b", "\u202e"])
def test_a_plan_s_code_is_checked(folder: Path, code: str) -> None:
    mistakes = mistakes_of(folder, plan(quoted(code)))

    assert len(mistakes) == 1
    assert "a plan's code is 1-40 of a-z, 0-9 and _" in mistakes[0]
    assert mistakes[0].isprintable()


def test_a_code_of_40_characters_is_good(folder: Path) -> None:
    assert only(read(folder, plan("x" * 40))).code == "x" * 40


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param("", "plans: is missing: at least one [plans.<code>] is needed", id="an empty file"),
        pytest.param("[plans]", "plans: is missing: at least one [plans.<code>] is needed", id="no plan"),
        pytest.param(
            "plans = 3", "plans: is missing: at least one [plans.<code>] is needed", id="plans that are three"
        ),
        pytest.param("[plans]\ngold = 1", "plans.gold: must be a table: [plans.<code>]", id="a plan that is a number"),
    ],
)
def test_a_catalog_without_a_plan_is_a_mistake(folder: Path, text: str, told: str) -> None:
    assert mistakes_of(folder, text) == [told]


def test_something_beside_the_plans_is_a_mistake(folder: Path) -> None:
    mistakes = mistakes_of(folder, "currency = 'GBP'\n" + plan() + "[plan.silver]\n")

    assert [mistake.partition(": ")[0] for mistake in mistakes] == ["currency", "plan"]


def test_every_mistake_is_told_in_one_run(folder: Path) -> None:
    mistakes = mistakes_of(
        folder,
        plan("first", title='""', prices="{ XTR = 0, BTC = 1 }", duration='"0 days"'),
        plan("second"),
        plan("third", features='["A", "B"]', limits="{ a = -1 }", colour="1"),
    )

    assert [mistake.partition(": ")[0] for mistake in mistakes] == [
        "plans.first.title",
        "plans.first.duration",
        "plans.first.prices.XTR",
        "plans.first.prices.BTC",
        "plans.third.colour",
        "plans.third.features[0]",
        "plans.third.features[1]",
        "plans.third.limits.a",
    ]


def test_more_plans_than_a_menu_can_show_are_a_mistake(folder: Path) -> None:
    most = [plan(f"p{number}") for number in range(MAX_PLANS)]

    assert len(read(folder, *most).plans) == MAX_PLANS
    assert mistakes_of(folder, *most, plan("one_more")) == [
        f"plans: are {MAX_PLANS + 1}; at most {MAX_PLANS} can be shown"
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        pytest.param(b"[plans.gold\n", "is no TOML: ", id="not TOML"),
        pytest.param(b"[plans.a]\n[plans.a]\n", "is no TOML: ", id="the same plan twice"),
        pytest.param(b"# \xff\n", "is not UTF-8 at byte 2", id="not UTF-8"),
        pytest.param(b"x = " + b"[" * 100_000, "is no TOML: something in it is too long or nested too deep", id="deep"),
        pytest.param(
            b"x = " + b"9" * 10_000, "is no TOML: something in it is too long or nested too deep", id="digits"
        ),
        pytest.param(b"#" * (MAX_BYTES + 1), f"is larger than {MAX_BYTES} bytes", id="too large"),
    ],
)
def test_a_file_that_is_no_catalog_says_why(folder: Path, content: bytes, told: str) -> None:
    (folder / "catalog.toml").write_bytes(content)

    with pytest.raises(CatalogError) as error:
        read_catalog(folder / "catalog.toml")
    assert len(error.value.mistakes) == 1
    assert error.value.mistakes[0].startswith(told)
    assert str(error.value).startswith(f"{folder}/catalog.toml: ")


@pytest.mark.parametrize("name", ["missing.toml", "."], ids=["no such file", "a folder"])
def test_a_file_that_can_t_be_read_says_why(folder: Path, name: str) -> None:
    with pytest.raises(CatalogError, match="can't be read: "):
        read_catalog(folder / name)


def plan(code: str = "gold_1m", /, **changed: str | None) -> str:
    """A plan as TOML; None leaves a field out."""
    fields = {name: text for name, text in {**GOLD, **changed}.items() if text is not None}
    return f"[plans.{code}]\n" + "".join(f"{name} = {text}\n" for name, text in fields.items())


def quoted(key: str) -> str:
    return f"'{key}'"


def read(folder: Path, *texts: str) -> Catalog:
    (folder / "catalog.toml").write_text("\n".join(texts))
    return read_catalog(folder / "catalog.toml")


def mistakes_of(folder: Path, *texts: str) -> list[str]:
    with pytest.raises(CatalogError) as error:
        read(folder, *texts)
    return error.value.mistakes


def only(catalog: Catalog) -> Any:
    (found,) = catalog.plans.values()
    return found
