"""An authentic update that we can't read is kept as it came; ids are remembered as long as they can matter."""

from datetime import timedelta

import pytest

from application.inbox import KeepReport
from application.ports.inbox import FoundBy, Report, Source
from application.updates import REMEMBERED_FOR, ForgetUpdates
from domain.events import ReportKept
from tests.builders import DAY, MAIN, SECOND, SECOND_BOT, Service
from tests.memory import NOON

TELEGRAM_REMEMBERS = timedelta(days=1)


@pytest.mark.criterion("4.6")
@pytest.mark.threat(16)
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"update_id":7,"message":{"successful_payment":{}}}', id="half a payment"),
        pytest.param(b"\xff\x00", id="bytes that are no text"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_it_is_kept_byte_by_byte_with_what_was_wrong_with_it(body: bytes) -> None:
    service = Service()

    report = Report(source=Source.TELEGRAM_UPDATE, bot=MAIN, body=body)
    KeepReport(work=service.work, clock=service.clock, journal=service.journal)(report, "no amount")

    waiting = service.state.inbox[report]
    assert (waiting.problem, waiting.due_at, waiting.kept.found_by) == ("no amount", NOON, FoundBy.WEBHOOK)
    assert service.journal.events == [ReportKept(source="telegram_update", bot=MAIN, problem="no amount")]


def test_ids_are_remembered_for_longer_than_telegram_repeats_them() -> None:
    assert REMEMBERED_FOR > TELEGRAM_REMEMBERS + DAY  # a day more, in case a clock is wrong


def test_ids_that_can_not_come_again_are_forgotten() -> None:
    service = Service()
    service.state.seen = {
        (MAIN, 1): NOON - REMEMBERED_FOR - SECOND,
        (MAIN, 2): NOON - REMEMBERED_FOR,
        (SECOND_BOT, 1): NOON,
    }

    assert ForgetUpdates(work=service.work, clock=service.clock)() == 1
    assert set(service.state.seen) == {(MAIN, 2), (SECOND_BOT, 1)}
