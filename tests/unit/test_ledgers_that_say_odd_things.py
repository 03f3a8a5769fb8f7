"""A line of a ledger that nobody can read is kept for a person, and holds up no line and no ledger beside it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from adapters.telegram.calls import Bot, Call
from adapters.telegram.star_ledger import BotApiStarLedger
from application.ports.inbox import KeptReport
from application.reconciliation import ReconcileStars
from domain.errors import ProviderUnavailable, Unavailable
from domain.ids import BotName
from entrypoints import reconciler as reconciling
from entrypoints.reconciler import Reconciler
from tests.builders import ALICE, MAIN, SECOND_BOT, SIGNER, Service, charge, invoice
from tests.log_lines import said_by

TOO_LARGE = [
    pytest.param({"date": 10**19}, id="a time beyond all clocks"),
    pytest.param({"date": 2**62}, id="a time beyond all years"),
    pytest.param({"date": 0}, id="no time"),
    pytest.param({"source": {"type": "user", "user": {"id": 2**63}}}, id="a user beyond 64 bits"),
    pytest.param({"source": {"type": "user", "user": {"id": -1}}}, id="a user below nothing"),
    pytest.param({"amount": 2**53}, id="more than there is"),
    pytest.param({"amount": 0}, id="nothing"),
]


@dataclass(slots=True)
class TellingBot(Bot):
    """Tells these lines, whatever it is asked."""

    lines: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def id(self) -> int:
        return 1

    def call(self, call: Call) -> Any:
        match call.method:
            case "getStarTransactions":
                return {"transactions": self.lines[call.parameters["offset"] :]}
            case _:
                return {"amount": sum(line["amount"] for line in self.lines)}

    def close(self) -> None:
        """Nothing was opened."""


def line(number: int = 1, **different: Any) -> Mapping[str, Any]:
    """Alice pays her invoice."""
    paid = charge()
    source = {"type": "user", "user": {"id": ALICE}, "invoice_payload": paid.payload}
    told = {"id": f"charge-{number}", "amount": 1250, "date": int(paid.charged_at.timestamp()), "source": source}
    return {**told, **different}


@pytest.mark.parametrize("odd", TOO_LARGE)
def test_a_line_that_nobody_can_read_is_kept_and_the_next_one_is_read(odd: Mapping[str, Any]) -> None:
    page = BotApiStarLedger({MAIN: TellingBot([line(1, **odd), line(2)])}).page(MAIN, 0)

    assert [entry.readable for entry in page.entries] == [False, True]
    assert page.entries[1].content is not None


def reconciler(service: Service, bots: Mapping[BotName, Bot]) -> Reconciler:
    stars = ReconcileStars(
        service.work, service.clock, service.ids, SIGNER, BotApiStarLedger(bots), journal=service.journal
    )
    return Reconciler(service.work, service.clock, stars, None, list(bots), timedelta(minutes=1))


class BrokenBot(TellingBot):
    def __init__(self, fault: Exception) -> None:
        super().__init__([])
        self.fault = fault
        self.asked = 0

    def call(self, call: Call) -> Any:
        self.asked += 1
        raise self.fault


@pytest.mark.parametrize(
    "fault",
    [pytest.param(ProviderUnavailable("away"), id="that is away"), pytest.param(OverflowError(), id="we trip over")],
)
def test_a_ledger_keeps_nobody_from_the_next_one(fault: Exception) -> None:
    service = Service()
    service.keep(invoice())
    look = reconciler(service, {SECOND_BOT: BrokenBot(fault), MAIN: TellingBot([line()])})

    with said_by(reconciling) as said:
        look()

    assert [(one["event"], one["ledger"]) for one in said] == [("ledger.not_read", f"stars:{SECOND_BOT}")]
    assert [kept.report.bot for kept in kept_reports(service)] == [MAIN]
    assert service.state.ledger_marks["stars:main"].whole_read_at == service.clock.now()


def test_a_ledger_that_can_not_be_read_is_asked_again_in_a_minute_and_not_before() -> None:
    service = Service()
    service.keep(invoice())
    bot = BrokenBot(ProviderUnavailable("away"))
    look = reconciler(service, {MAIN: bot})
    asked = []

    for wait in (timedelta(0), timedelta(seconds=59), timedelta(seconds=1), timedelta(seconds=1)):
        service.clock.pass_by(wait)
        with said_by(reconciling):
            look()
        asked.append(bot.asked)

    assert asked == [1, 1, 2, 2]


def test_a_database_that_is_away_is_told_to_whoever_looks() -> None:
    look = reconciler(Service(), {MAIN: BrokenBot(Unavailable("away"))})

    with pytest.raises(Unavailable):
        look()


def kept_reports(service: Service) -> list[KeptReport]:
    with service.work.begin() as tx:
        return list(tx.inbox.claim(service.clock.now(), at_most=9, lease=timedelta(minutes=1)))
