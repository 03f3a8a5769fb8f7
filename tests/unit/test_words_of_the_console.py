"""How the console says sums, times and changes, and what its charts are drawn from."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from application.figures import Compared, Span
from domain.errors import InvalidRequest
from domain.money import written
from entrypoints.console.charts import Chart, Line
from entrypoints.console.forms import HOME, Form, ours
from entrypoints.console.spans import beside
from entrypoints.console.wording import exact, lasting, message, relative, short, tone, word

NOW = datetime(2026, 11, 28, 23, 5, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("amount", "currency", "words"),
    [
        (0, "GBP", "£0.00"),
        (0, "XTR", "0 ⭐"),
        (-1250, "XTR", "−1,250 ⭐"),
        (-5, "KWD", "−0.005 KWD"),
        (123_456_789, "JPY", "¥123,456,789"),
    ],
)
def test_a_sum_may_be_nothing_or_less(amount: int, currency: str, words: str) -> None:
    assert written(amount, currency) == words


@pytest.mark.parametrize(
    ("away", "words"),
    [
        (timedelta(0), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(minutes=1), "1 min ago"),
        (timedelta(minutes=59, seconds=59), "59 min ago"),
        (timedelta(hours=1), "1 h ago"),
        (timedelta(hours=23, minutes=59), "23 h ago"),
        (timedelta(days=1), "1 d ago"),
        (timedelta(days=7), "7 d ago"),
        (timedelta(days=7, seconds=1), "21 Nov 2026"),
        (timedelta(seconds=-30), "in a moment"),
        (timedelta(hours=-3), "in 3 h"),
        (timedelta(days=-90), "26 Feb 2027"),
    ],
)
def test_a_time_is_told_by_how_long_ago_it_was(away: timedelta, words: str) -> None:
    assert relative(NOW - away, NOW) == words


def test_the_exact_time_names_its_zone_and_four_digits_of_the_year() -> None:
    assert exact(NOW.astimezone()) == "28 November 2026, 23:05:09 UTC"
    assert exact(datetime(9, 1, 2, tzinfo=UTC)) == "2 January 0009, 00:00:00 UTC"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"), (172_799, "47 h"), (172_800, "2 d")],
)
def test_how_long_something_waits_is_told_in_one_unit(seconds: int, words: str) -> None:
    assert lasting(timedelta(seconds=seconds)) == words


@pytest.mark.parametrize(
    ("compared", "currency", "words"),
    [
        (Compared(), "", "nothing in the 24 hours before either"),
        (Compared(number=3, number_before=3), "", "as many in the 24 hours before"),
        (Compared(number=3), "", "nothing in the 24 hours before"),
        (Compared(number=4, number_before=2), "", "2 in the 24 hours before"),
        (Compared(number=8, number_before=10), "", "10 in the 24 hours before, −20 %"),
        (
            Compared(number=9, amount=3000, number_before=6, amount_before=2000),
            "GBP",
            "£20.00 in the 24 hours before, +50 %",
        ),
        (
            Compared(number=1, amount=1001, number_before=900, amount_before=1000),
            "XTR",
            "1,000 ⭐ in the 24 hours before, ±0 %",
        ),
        (Compared(number=1, amount=5, number_before=7, amount_before=5), "XTR", "as much in the 24 hours before"),
    ],
)
def test_a_figure_is_held_against_the_time_before(compared: Compared, currency: str, words: str) -> None:
    assert beside(compared, Span.DAY, currency) == words


def test_a_state_has_its_colour_and_its_word_and_one_that_nobody_knows_has_neither_meaning() -> None:
    assert (tone("quarantined"), word("quarantined")) == ("waits", "quarantined")
    assert (tone("some_day"), word("some_day")) == ("plain", "some day")
    assert (message("AccessGiven"), message("Help")) == ("access given", "help")


def test_a_long_id_is_told_by_its_ends() -> None:
    assert short("inv_1") == "inv_1"
    assert short("pay_0123456789abcdef0123") == "pay_01234…f0123"


def test_a_chart_and_its_table_say_the_same() -> None:
    starts = [NOW.replace(minute=0, second=0) + timedelta(hours=hour) for hour in range(2)]
    lines = [Line(label="Taken", values=(2500, 0), currency="GBP")]
    chart = Chart(question="How much?", starts=starts, step=timedelta(hours=1), lines=lines)

    assert chart.each == "From (UTC)"
    assert [(row.label, list(row.values)) for row in chart.rows] == [
        ("29 Nov, 00:00", ["£0.00"]),
        ("28 Nov, 23:00", ["£25.00"]),
    ]
    drawn = json.loads(chart.data)
    assert drawn["times"] == [int(start.timestamp()) for start in starts]
    [line] = drawn["lines"]
    assert (line["values"], line["decimals"], line["before"], line["after"]) == ([2500, 0], 2, "£", "")


@pytest.mark.parametrize(
    ("currency", "before", "after", "decimals"),
    [("XTR", "", " ⭐", 0), ("CHF", "", " CHF", 2), ("JPY", "¥", "", 0), ("KWD", "", " KWD", 3), ("", "", "", 0)],
)
def test_a_chart_writes_sums_as_everything_else_does(currency: str, before: str, after: str, decimals: int) -> None:
    days = Chart(
        question="How much?",
        starts=[NOW],
        step=timedelta(days=1),
        lines=[Line(label="Taken", values=[1234], currency=currency)],
    )
    [line] = json.loads(days.data)["lines"]
    assert (line["before"], line["after"], line["decimals"]) == (before, after, decimals)
    assert (days.each, days.rows[0].label) == ("Day", "28 Nov 2026")


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        ("/console", "/console"),
        ("/console/payments?status=refunded&cursor=a%20b", "/console/payments?status=refunded&cursor=a%20b"),
        ("/console/plans?did=abc_-1", "/console/plans"),
        ("", HOME),
        ("//evil.example/console", HOME),
        ("https://evil.example/console", HOME),
        ("/consoles", HOME),
        ("/console\\evil", HOME),
        ("/console/\r\nSet-Cookie: a=b", HOME),
        ("/schema", HOME),
    ],
)
def test_nobody_is_sent_elsewhere_than_to_a_page_of_the_console(path: str, leads_to: str) -> None:
    assert ours(path) == leads_to


def test_what_a_form_brings_is_trimmed_and_bounded() -> None:
    form = Form({"reason": "  asked\r\nfor it ", "empty": " ", "long": "x" * 501, "once": "x" * 21})

    assert form.text("reason") == "asked\nfor it"
    assert form.text("empty", otherwise="all") == "all"
    assert form.needed("reason", "Say why.") == "asked\nfor it"
    with pytest.raises(InvalidRequest, match=r"Say why\."):
        form.needed("empty", "Say why.")
    with pytest.raises(InvalidRequest, match="Long is longer than 500"):
        form.text("long")
    with pytest.raises(InvalidRequest, match="not one of ours"):
        _ = form.once
