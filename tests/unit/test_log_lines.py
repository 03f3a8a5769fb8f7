"""A log line is one JSON object: the same fields first, nothing of a secret in it, whatever stands in the others."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog

from adapters.telemetry import bound
from adapters.telemetry.logs import Troubles, configure_logs, together
from domain.errors import Unavailable

log = structlog.get_logger("tollgram")

SECRET = "a-secret-nobody-sees"


class Written(io.StringIO):
    """Standard output, and in how many pieces it was written."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces = 0

    def write(self, text: str) -> int:
        self.pieces += 1
        return super().write(text)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().split("\n")[:-1]]


@pytest.fixture
def written() -> Iterator[Written]:
    root = logging.getLogger()
    handlers, level, configuration = root.handlers, root.level, structlog.get_config()
    yield Written()
    structlog.configure(**configuration)
    root.handlers, root.level = handlers, level
    bound.begin()


def configure(written: Written, *secrets: str, level: str = "INFO", form: str = "json") -> None:
    with redirect_stdout(written):
        configure_logs(level=level, form=form, secrets=secrets)


def test_the_same_fields_come_first_on_every_line(written: Written) -> None:
    configure(written)
    bound.begin(request_id="req_1")
    log.info("payment.settled", user_id=7, amount=1250)
    (line,) = written.lines
    assert list(line) == ["timestamp", "level", "event", "request_id", "user_id", "amount"]


def test_a_time_is_written_as_the_line_s_own_is(written: Written) -> None:
    configure(written)
    log.info("payment.settled", starts_at=datetime(2026, 11, 29, 19, 44, 10, 5, tzinfo=UTC))
    (line,) = written.lines
    assert line["starts_at"] == "2026-11-29T19:44:10.000005Z"


def test_what_is_away_is_told_in_its_own_words_and_by_its_trace_once(written: Written) -> None:
    configure(written)
    troubles = Troubles()
    away = Unavailable("The database does not do its part.")
    away.__cause__ = OSError("unable to open database file\n(more of it)")
    for _ in range(2):
        log.error("worker.failed", **troubles.of(away))
    troubles.over()
    log.error("worker.failed", **troubles.of(away))

    assert {line["problem"] for line in written.lines} == {
        "The database does not do its part. It said: unable to open database file"
    }
    assert ["exception" in line for line in written.lines] == [True, False, True]


def test_what_is_broken_is_told_by_its_trace_each_time(written: Written) -> None:
    configure(written)
    troubles = Troubles()
    for _ in range(2):
        log.error("worker.failed", **troubles.of(KeyError("plan")))

    assert [line["problem"] for line in written.lines] == ["KeyError", "KeyError"]
    assert all("exception" in line for line in written.lines)


def test_what_belongs_to_the_request_stands_on_its_lines_and_on_no_other_s(written: Written) -> None:
    configure(written)
    bound.begin(request_id="req_1", user_id=7)
    with bound.bound(charge_id="c1"):
        log.info("inside")
    log.info("outside", user_id=8)
    bound.begin(request_id="req_2")
    log.info("another")
    inside, outside, another = written.lines
    assert (inside["request_id"], inside["user_id"], inside["charge_id"]) == ("req_1", 7, "c1")
    assert (outside["user_id"], "charge_id" in outside) == (8, False)
    assert (another["request_id"], "user_id" in another) == ("req_2", False)


@pytest.mark.threat(39)
@pytest.mark.parametrize(
    "secret",
    [
        pytest.param(SECRET, id="plain"),
        pytest.param('with "quotes" inside', id="quotes"),
        pytest.param("back\\slash\\", id="backslashes"),
        pytest.param("two\nlines\tand a tab", id="control characters"),
        pytest.param("schlüssel-🔑", id="not ascii"),
        pytest.param("half \ud800 a pair", id="half a surrogate pair"),
    ],
)
@pytest.mark.parametrize("form", ["json", "console"])
def test_no_secret_stands_in_a_line_wherever_it_came_in(written: Written, secret: str, form: str) -> None:
    configure(written, SECRET, secret, form=form)
    bound.begin(request_id=f"req-{secret}")
    log.error("call.failed", address=f"https://x/bot{secret}/m", nested={"deep": [secret]}, problem=secret)
    logging.getLogger("a.library").warning("%s in the middle", secret)
    text = written.getvalue()
    assert text.count("[hidden]") >= 3
    shown = "\n".join(str(value) for line in written.lines for value in line.values()) if form == "json" else text
    assert secret not in shown
    assert repr(secret)[1:-1] not in shown


def test_a_trace_bears_no_secret_either(written: Written) -> None:
    configure(written, SECRET)
    try:
        raise RuntimeError(f"no answer from https://x/bot{SECRET}")
    except RuntimeError as error:
        log.error("request.failed", exc_info=error)
    (line,) = written.lines
    assert "RuntimeError" in line["exception"]
    assert SECRET not in written.getvalue()


class Odd(int):
    """A number that JSON's writer does not know."""


@pytest.mark.parametrize(
    "value", ["\ud800", "a\0b", "\u2028", 2**80, float("inf"), {"a": (1, 2)}, b"\xff", None, True, Odd(5)]
)
def test_any_value_can_be_logged(written: Written, value: object) -> None:
    configure(written)
    log.info("odd", value=value)
    (line,) = written.lines
    assert "value" in line


def test_lines_that_belong_together_go_out_as_one_piece_and_in_their_order(written: Written) -> None:
    configure(written)
    with together():
        for number in range(3):
            log.info("one", number=number)
        assert written.pieces == 0
    assert (written.pieces, [line["number"] for line in written.lines]) == (1, [0, 1, 2])
    log.info("alone")
    assert written.pieces == 2


def test_what_belongs_together_inside_of_something_that_does_keeps_its_place(written: Written) -> None:
    configure(written)
    with together():
        log.info("a")
        with together():
            log.info("b")
        log.info("c")
    assert [line["event"] for line in written.lines] == ["a", "b", "c"]


def test_lines_before_a_fault_are_not_lost(written: Written) -> None:
    configure(written)
    with suppress(ZeroDivisionError), together():
        log.info("before")
        _ = 1 / 0
    assert [line["event"] for line in written.lines] == ["before"]


def test_what_is_below_the_level_is_not_written(written: Written) -> None:
    configure(written, level="WARNING")
    log.info("not this")
    log.warning("this")
    assert [line["event"] for line in written.lines] == ["this"]
