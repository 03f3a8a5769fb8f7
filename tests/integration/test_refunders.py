"""Providers asked to give money back: Telegram and Stripe over real HTTP, kind and odd; each charge goes back once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.stripe.connection import Connection
from adapters.stripe.refunder import StripeRefunder
from adapters.telegram.bot_api import BotApi
from adapters.telegram.star_ledger import BotApiStarLedger
from adapters.telegram.star_refunder import UNTIL_STARS_COME, StarRefunder
from application.ports.inbox import Report, Source
from application.ports.ledgers import LedgerEntry, LedgerPage, StarLedger
from application.ports.outcomes import Rejected, TryLater
from application.ports.refunds import GivenBack, NotYet, RefundOrder, ReturnOutcome
from domain.catalog import Method
from domain.errors import ProviderUnavailable
from domain.ids import BotName, ChargeId, UserId
from domain.payment import Charge, Payment, Refund
from entrypoints.refunders import RefunderByMethod
from tests.builders import DAY, HOUR, MAIN, SECOND_BOT, charge, invoice, payment, refund, stars, stripe_charge
from tests.integration.sandbox_server import BOT_TOKEN, SandboxServer, SandboxStripe
from tests.integration.service import eventually
from tests.integration.test_bot_api_odd_answers import OddServer, free_address
from tests.integration.test_stripe_adapter_odd_answers import (
    KEY,
    ODD,
    Answer,
    OddStripe,
    answer,
    error,
)
from tests.integration.test_stripe_adapter_with_the_sandbox import checkout_of, opened
from tests.memory import NOON, MemoryRefunder

PRICE = 250
WITHIN_S = 1.8


def order_of(paid: Payment, attempts: int = 1, **different: Any) -> RefundOrder:
    asked: dict[str, Any] = {"asked_at": datetime.now(UTC), "asked_by": "olga", "reason": "asked for it"}
    named = {"provider": paid.charge.provider, "charge_id": paid.charge.charge_id, "payment_id": paid.id}
    return RefundOrder(**{**named, **asked, "attempts": attempts, **different})


# Stars, in the sandbox ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxServer]:
    with SandboxServer(time_scale=0.01) as sandbox:
        sandbox.call("getMe")  # a bot is known, and can be started, once it has called
        yield sandbox


@pytest.fixture
def telegram(sandbox: SandboxServer) -> Iterator[SandboxServer]:
    sandbox.reset()
    yield sandbox
    sandbox.faults()


@pytest.fixture
def star_refunder(telegram: SandboxServer) -> Iterator[StarRefunder]:
    bot = BotApi(BOT_TOKEN, base=telegram.url)
    yield StarRefunder({MAIN: bot}, BotApiStarLedger({MAIN: bot}))
    bot.close()


def paid_by_stars(telegram: SandboxServer, number: int = 1) -> Payment:
    """Somebody has just paid 250 Stars."""
    user = telegram.create_user(f"Ada {number}", started=True)
    telegram.call(
        "sendInvoice",
        {
            "chat_id": user["id"],
            "title": "Gold",
            "description": "Signals",
            "payload": f"t1.{number}",
            "currency": "XTR",
            "prices": [{"label": "Gold", "amount": PRICE}],
        },
    )
    outcome = telegram.pay(user["id"], telegram.last_invoice(user)["message_id"], skip_pre_checkout=True)
    assert outcome.charge_id is not None, outcome
    paid = charge(charge_id=ChargeId(outcome.charge_id), payer=UserId(user["id"]), paid=stars(PRICE))
    return payment(replace(paid, charged_at=datetime.now(UTC)))


def back_in_the_ledger(telegram: SandboxServer, paid: Payment) -> int:
    return sum(line["id"] == paid.charge.charge_id and "receiver" in line for line in telegram.transactions())


def test_stars_that_telegram_gave_back_are_given_back_and_it_says_so(
    telegram: SandboxServer, star_refunder: StarRefunder
) -> None:
    paid, other = paid_by_stars(telegram, 1), paid_by_stars(telegram, 2)
    order = order_of(paid)
    assert not star_refunder.given_back(paid, order)

    assert star_refunder.give_back(paid, order) == GivenBack()

    assert star_refunder.given_back(paid, order)
    assert not star_refunder.given_back(other, order_of(other))
    assert star_refunder.give_back(paid, order) == GivenBack(), "what is given back already is given back"
    assert back_in_the_ledger(telegram, paid) == 1


@pytest.mark.threat(27)
@pytest.mark.parametrize(
    ("fault", "went_back"),
    [("api_lose_replies", True), ("api_resets", False), ("api_5xx", False), ("api_429", False)],
)
def test_where_telegrams_answer_is_lost_the_ledger_tells_what_came_of_it(
    telegram: SandboxServer, star_refunder: StarRefunder, fault: str, went_back: bool
) -> None:
    paid = paid_by_stars(telegram)
    order = order_of(paid)
    telegram.faults(api_methods=["refundStarPayment"], api_retry_after=7, **{fault: 1})

    outcome = star_refunder.give_back(paid, order)

    assert isinstance(outcome, TryLater)
    assert outcome.after == (timedelta(seconds=7) if fault == "api_429" else None)
    assert star_refunder.given_back(paid, order) is went_back
    assert star_refunder.give_back(paid, order) == GivenBack()
    assert back_in_the_ledger(telegram, paid) == 1


def test_a_charge_that_telegram_does_not_know_is_refused_for_good(
    telegram: SandboxServer, star_refunder: StarRefunder
) -> None:
    paid = paid_by_stars(telegram)
    unknown = replace(paid, charge=replace(paid.charge, charge_id=ChargeId("stxNobodys")))
    outcome = star_refunder.give_back(unknown, order_of(unknown))
    assert outcome == Rejected(problem="400 Bad Request: CHARGE_NOT_FOUND")


def test_a_bot_that_has_too_few_stars_waits_for_more(telegram: SandboxServer, star_refunder: StarRefunder) -> None:
    paid, gone = paid_by_stars(telegram, 1), paid_by_stars(telegram, 2)
    telegram.charge_back(gone.charge.charge_id)
    telegram.charge_back(paid.charge.charge_id, listed=False)

    outcome = star_refunder.give_back(paid, order_of(paid))

    assert outcome == TryLater(problem="400 Bad Request: BALANCE_TOO_LOW", after=UNTIL_STARS_COME)
    assert star_refunder.given_back(gone, order_of(gone)), "a chargeback is in the ledger like a refund"


def test_a_bot_that_is_not_set_up_here_any_more_is_waited_for(
    telegram: SandboxServer, star_refunder: StarRefunder
) -> None:
    lost = payment(charge(bot=SECOND_BOT))
    outcome = star_refunder.give_back(lost, order_of(lost))
    assert isinstance(outcome, TryLater)
    assert "second" in outcome.problem
    with pytest.raises(ProviderUnavailable):
        star_refunder.given_back(lost, order_of(lost))


# Stars, and odd answers -----------------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[OddServer]:
    server = OddServer()
    yield server
    server.close()


@pytest.fixture
def odd_stars(server: OddServer) -> Iterator[StarRefunder]:
    bot = BotApi("7000001:AAE-canary-token-of-the-tests-000000", base=server.url, whole_call_s=1.0)
    yield StarRefunder({MAIN: bot}, BotApiStarLedger({MAIN: bot}))
    bot.close()


@pytest.mark.parametrize(
    ("code", "description", "outcome"),
    [
        (400, "Bad Request: CHARGE_ALREADY_REFUNDED", GivenBack),
        (400, "Bad Request: BALANCE_TOO_LOW", TryLater),
        (400, "Bad Request: CHARGE_NOT_FOUND", Rejected),
        (400, "Bad Request: something never heard of", Rejected),
        (401, "Unauthorized", TryLater),
        (403, "Forbidden", Rejected),
        (404, "Not Found", TryLater),
        (429, "Too Many Requests: retry after 3", TryLater),
        (500, "Internal Server Error", TryLater),
    ],
)
def test_each_of_telegrams_refusals_has_its_end(
    server: OddServer, odd_stars: StarRefunder, code: int, description: str, outcome: type[ReturnOutcome]
) -> None:
    server.refuses(code, description)
    assert type(odd_stars.give_back(payment(), order_of(payment()))) is outcome


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([], id="nothing"),
        pytest.param([b"SSH-2.0-OpenSSH_9.6\r\n"], id="no HTTP"),
        pytest.param([b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"], id="less than announced"),
        pytest.param([b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nit works"], id="no JSON"),
        pytest.param([b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull"], id="null"),
        pytest.param([b"HTTP/1.1 302 X\r\nLocation: https://a\r\nContent-Length: 0\r\n\r\n"], id="a redirect"),
    ],
)
@pytest.mark.parametrize("reset", [False, True])
def test_after_an_odd_answer_nobody_knows_and_it_is_tried_later(
    server: OddServer, odd_stars: StarRefunder, pieces: list[bytes], reset: bool
) -> None:
    server.pieces, server.reset = pieces, reset

    outcome = odd_stars.give_back(payment(), order_of(payment()))

    assert isinstance(outcome, TryLater)
    assert "canary" not in outcome.problem
    with pytest.raises(ProviderUnavailable) as problem:
        odd_stars.given_back(payment(), order_of(payment()))
    assert "canary" not in str(problem.value)


def test_a_telegram_that_is_not_there_is_asked_later() -> None:
    bot = BotApi(BOT_TOKEN, base=free_address(), whole_call_s=1.0)
    refunder = StarRefunder({MAIN: bot}, BotApiStarLedger({MAIN: bot}))
    assert isinstance(refunder.give_back(payment(), order_of(payment())), TryLater)
    with pytest.raises(ProviderUnavailable):
        refunder.given_back(payment(), order_of(payment()))


# How far the ledger is read -------------------------------------------------------------------------------------------


@dataclass(slots=True)
class LongLedger(StarLedger):
    """A ledger of so many lines, oldest first; keeps which pages were asked for."""

    lines: Sequence[Charge | Refund | None]
    asked: list[int] = field(default_factory=list)
    endless: bool = False

    def page(self, bot: BotName, offset: int) -> LedgerPage:
        self.asked.append(offset)
        lines = [None] * 100 if self.endless else self.lines[offset : offset + 100]
        report = Report(source=Source.STAR_TRANSACTION, bot=bot, body=b"{}")
        entries = tuple(LedgerEntry(report=report, content=line, stars=0) for line in lines)
        return LedgerPage(entries=entries, next_from=offset + 100 if len(entries) == 100 else None)

    def balance(self, bot: BotName) -> int:
        raise AssertionError("who gives money back has no need of the balance")


def line(number: int, at: datetime) -> Charge:
    return charge(charge_id=ChargeId(f"line-{number}"), charged_at=at)


PAID = payment(replace(charge(), charged_at=NOON - 300 * DAY))
ASKED = order_of(PAID, asked_at=NOON)


@pytest.mark.parametrize("length", [0, 1, 99, 100, 101, 199, 200, 201, 1000, 12_345])
def test_a_refund_is_found_from_the_end_of_a_ledger_of_any_length(length: int) -> None:
    lines: list[Charge | Refund | None] = [line(number, NOON - DAY) for number in range(length)]
    without = LongLedger(lines=lines)
    last = LongLedger(lines=[*lines, refund(PAID.charge, refunded_at=NOON)])

    assert not StarRefunder({}, without).given_back(PAID, ASKED)
    assert StarRefunder({}, last).given_back(PAID, ASKED)

    assert len(without.asked) < 25
    assert len(last.asked) < 25


def test_it_is_looked_for_as_far_back_as_it_was_asked_for_and_no_further() -> None:
    since = [line(number, NOON + timedelta(minutes=1)) for number in range(350)]
    long_ago = [line(number, NOON - DAY) for number in range(5000)]
    ledger = LongLedger(lines=[*long_ago, refund(PAID.charge, refunded_at=NOON), *since])
    assert StarRefunder({}, ledger).given_back(PAID, ASKED)

    old = LongLedger(lines=[refund(PAID.charge, refunded_at=NOON - 200 * DAY), *long_ago, *since])
    assert not StarRefunder({}, old).given_back(PAID, ASKED), "that is nothing that we asked for now"
    assert 0 not in old.asked


def test_clocks_may_differ_and_lines_that_say_nothing_do_not_end_the_search() -> None:
    early = refund(PAID.charge, refunded_at=NOON - HOUR + timedelta(minutes=1))
    ledger = LongLedger(lines=[early, *[None] * 450])
    assert StarRefunder({}, ledger).given_back(PAID, ASKED)


def test_a_ledger_without_an_end_is_not_believed() -> None:
    ledger = LongLedger(lines=(), endless=True)
    with pytest.raises(ProviderUnavailable, match="no end"):
        StarRefunder({}, ledger).given_back(PAID, ASKED)
    assert len(ledger.asked) < 40


def test_after_a_thousand_pages_telegrams_own_memory_decides() -> None:
    ledger = LongLedger(lines=[refund(PAID.charge, refunded_at=NOON), *[None] * 150_000])
    assert not StarRefunder({}, ledger).given_back(PAID, ASKED)
    assert len(ledger.asked) < 1050


# Stripe, in the sandbox -----------------------------------------------------------------------------------------------


@pytest.fixture
def stripe(sandbox: SandboxServer) -> Iterator[SandboxStripe]:
    sandbox.stripe.reset()
    yield sandbox.stripe
    sandbox.stripe.faults()


def refunder_at(key: str, url: str, whole_call_s: float = 10.0) -> StripeRefunder:
    return StripeRefunder(Connection(key, url, whole_call_s=whole_call_s))


@pytest.fixture
def stripe_refunder(stripe: SandboxStripe) -> StripeRefunder:
    return refunder_at(stripe.secret_key, stripe.api_base)


def paid_by_stripe(stripe: SandboxStripe) -> Payment:
    checkout = checkout_of(stripe)
    outcome = stripe.pay(opened(checkout).id)
    checkout.close()
    return payment(stripe_charge(charge_id=ChargeId(outcome.payment_intent)))


def given_back_at(stripe: SandboxStripe, paid: Payment) -> int:
    [money] = [one for one in stripe.ledger() if one["payment_intent"] == paid.charge.charge_id]
    return int(money["amount_refunded"])


def creates(stripe: SandboxStripe) -> list[dict[str, Any]]:
    return [call for call in stripe.calls("refunds.create") if call["status"] == 200]


def test_what_stripe_gave_back_is_given_back_and_it_says_so(
    stripe: SandboxStripe, stripe_refunder: StripeRefunder
) -> None:
    paid = paid_by_stripe(stripe)
    order = order_of(paid)
    assert not stripe_refunder.given_back(paid, order)

    assert stripe_refunder.give_back(paid, order) == GivenBack()

    assert stripe_refunder.given_back(paid, order)
    assert stripe_refunder.give_back(paid, order) == GivenBack()
    assert given_back_at(stripe, paid) == 2500


def test_of_what_went_back_in_part_the_rest_goes_back(stripe: SandboxStripe, stripe_refunder: StripeRefunder) -> None:
    paid = paid_by_stripe(stripe)
    stripe.refund(paid.charge.charge_id, amount=900)
    assert not stripe_refunder.given_back(paid, order_of(paid))

    assert stripe_refunder.give_back(paid, order_of(paid)) == GivenBack()

    assert given_back_at(stripe, paid) == 2500


def test_a_refund_that_is_on_its_way_is_waited_for_and_not_made_again(
    stripe: SandboxStripe, stripe_refunder: StripeRefunder
) -> None:
    paid = paid_by_stripe(stripe)
    order = order_of(paid)
    stripe.faults(refunds_pending=True)

    assert stripe_refunder.give_back(paid, order) == NotYet()
    assert not stripe_refunder.given_back(paid, order)
    assert stripe_refunder.give_back(paid, order) == NotYet()

    [made] = creates(stripe)
    assert given_back_at(stripe, paid) == 2500
    assert made["arguments"]["payment_intent"] == paid.charge.charge_id


def test_one_that_its_bank_refuses_is_refused_until_a_person_asks_anew(
    stripe: SandboxStripe, stripe_refunder: StripeRefunder
) -> None:
    paid = paid_by_stripe(stripe)
    order = order_of(paid, asked_at=NOON)
    stripe.faults(refunds_pending=True)
    stripe_refunder.give_back(paid, order)
    stripe.faults()
    [refund_id] = {one["event"]["data"]["object"]["id"] for one in stripe.events("refund.created")}
    stripe.settle_refund(refund_id, "failed")

    outcome = stripe_refunder.give_back(paid, order)

    assert isinstance(outcome, Rejected)
    assert "bank" in outcome.problem
    assert stripe_refunder.give_back(paid, replace(order, asked_at=NOON + DAY)) == GivenBack()


@pytest.mark.threat(27)
@pytest.mark.parametrize("fault", ["api_lose_replies", "api_resets", "api_5xx", "api_429"])
@pytest.mark.parametrize("call", ["refunds.create", "refunds.list", "payment_intents.retrieve"])
@pytest.mark.parametrize("times", [1, 4])
def test_whatever_gets_lost_on_the_way_to_stripe_it_goes_back_once(
    stripe: SandboxStripe, stripe_refunder: StripeRefunder, fault: str, call: str, times: int
) -> None:
    paid = paid_by_stripe(stripe)
    order = order_of(paid)
    stripe.faults(**{fault: times, "api_methods": [call]})
    for _ in range(2 * times + 1):
        try:
            if stripe_refunder.given_back(paid, order):
                break
        except ProviderUnavailable:
            continue
        stripe_refunder.give_back(paid, order)

    stripe.faults()
    assert stripe_refunder.given_back(paid, order)
    assert given_back_at(stripe, paid) == 2500
    assert len({one["event"]["data"]["object"]["id"] for one in stripe.events("refund.created")}) == 1


@pytest.mark.threat(27)
def test_while_stripe_is_still_busy_with_a_refund_it_is_neither_refused_nor_made_again(stripe: SandboxStripe) -> None:
    paid = paid_by_stripe(stripe)
    order = order_of(paid)
    impatient = refunder_at(stripe.secret_key, stripe.api_base, whole_call_s=0.5)
    stripe.faults(api_delay_s=2.0, api_methods=["refunds.create"])

    first, again = impatient.give_back(paid, order), impatient.give_back(paid, order)

    assert isinstance(first, TryLater)
    assert isinstance(again, TryLater), again
    assert "409" in again.problem
    eventually(lambda: impatient.given_back(paid, order))
    assert impatient.give_back(paid, order) == GivenBack()
    assert given_back_at(stripe, paid) == 2500
    assert len(creates(stripe)) == 1


def test_money_that_a_dispute_has_taken_is_not_given_back(
    stripe: SandboxStripe, stripe_refunder: StripeRefunder
) -> None:
    paid = paid_by_stripe(stripe)
    stripe.dispute(paid.charge.charge_id, "open")
    stripe.dispute(paid.charge.charge_id, "withdraw")

    outcome = stripe_refunder.give_back(paid, order_of(paid))

    assert isinstance(outcome, Rejected)
    assert "charge_disputed" in outcome.problem
    assert given_back_at(stripe, paid) == 0


def test_a_payment_that_stripe_does_not_know_is_refused_for_good(stripe_refunder: StripeRefunder) -> None:
    unknown = payment(stripe_charge(charge_id=ChargeId("pi_nobodys")))
    assert isinstance(stripe_refunder.give_back(unknown, order_of(unknown)), Rejected)
    assert not stripe_refunder.given_back(unknown, order_of(unknown))


def test_a_wrong_key_is_mended_by_the_operator_and_then_tried_again(stripe: SandboxStripe) -> None:
    paid = paid_by_stripe(stripe)
    wrong = refunder_at("sk_tost_canary_wrong_key_000000000", stripe.api_base)  # any well-formed one is right there

    outcome = wrong.give_back(paid, order_of(paid))

    assert isinstance(outcome, TryLater)
    assert "401" in outcome.problem
    assert "canary" not in outcome.problem
    assert given_back_at(stripe, paid) == 0


# Stripe, and odd answers ----------------------------------------------------------------------------------------------

BY_STRIPE = payment(stripe_charge())
INTENT: dict[str, Any] = {
    "id": "pi_1",
    "object": "payment_intent",
    "livemode": False,
    "status": "succeeded",
    "currency": "gbp",
    "amount_received": 2500,
    "latest_charge": {
        "id": "ch_1",
        "object": "charge",
        "created": 1,
        "status": "succeeded",
        "captured": True,
        "amount_refunded": 0,
    },
}
NO_REFUNDS = answer(200, {"object": "list", "data": [], "has_more": False, "url": "/v1/refunds"})


def made(status: Any) -> Answer:
    return answer(200, {"id": "re_1", "object": "refund", "amount": 2500, "status": status})


@pytest.fixture
def odd() -> Iterator[OddStripe]:
    odd = OddStripe()
    yield odd
    odd.close()


@pytest.mark.parametrize("odd_answer", ODD.values(), ids=ODD)
@pytest.mark.parametrize("first", ["asking", "making"])
def test_after_an_odd_answer_of_stripe_it_is_tried_later_unless_it_is_a_clear_no(
    odd: OddStripe, odd_answer: Answer, first: str
) -> None:
    odd.answers = [odd_answer] if first == "asking" else [answer(200, INTENT), NO_REFUNDS, odd_answer]

    outcome = refunder_at(KEY, odd.url, WITHIN_S).give_back(BY_STRIPE, order_of(BY_STRIPE))

    assert isinstance(outcome, TryLater)
    assert "canary" not in outcome.problem


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("succeeded", GivenBack),
        ("pending", NotYet),
        ("requires_action", NotYet),
        ("failed", Rejected),
        ("canceled", Rejected),
        (None, Rejected),
        ("never heard of", Rejected),
    ],
)
def test_each_state_of_a_refund_has_its_end(odd: OddStripe, status: Any, outcome: type[ReturnOutcome]) -> None:
    odd.answers = [answer(200, INTENT), NO_REFUNDS, made(status)]
    assert type(refunder_at(KEY, odd.url).give_back(BY_STRIPE, order_of(BY_STRIPE))) is outcome


def test_a_no_because_somebody_else_has_just_given_it_back_is_a_yes(odd: OddStripe) -> None:
    gone = INTENT | {"latest_charge": INTENT["latest_charge"] | {"amount_refunded": 2500}}
    refused = error(400, type="invalid_request_error", code="charge_already_refunded")
    odd.answers = [answer(200, INTENT), NO_REFUNDS, refused, answer(200, gone), NO_REFUNDS]
    assert refunder_at(KEY, odd.url).give_back(BY_STRIPE, order_of(BY_STRIPE)) == GivenBack()


def test_a_no_stays_one_where_nothing_went_back(odd: OddStripe) -> None:
    refused = error(400, type="invalid_request_error", code="charge_disputed")
    odd.answers = [answer(200, INTENT), NO_REFUNDS, refused, answer(200, INTENT), NO_REFUNDS]
    outcome = refunder_at(KEY, odd.url).give_back(BY_STRIPE, order_of(BY_STRIPE))
    assert isinstance(outcome, Rejected)


def test_each_order_has_its_own_key_and_keeps_it(odd: OddStripe) -> None:
    order = order_of(BY_STRIPE, asked_at=NOON)
    for asked_for in (order, order, replace(order, asked_at=NOON + DAY)):
        odd.answers = [answer(200, INTENT), NO_REFUNDS, made("succeeded")]
        refunder_at(KEY, odd.url).give_back(BY_STRIPE, asked_for)
    first, again, anew = [key for path, key in odd.asked if path == "/v1/refunds"]
    assert first == again != anew


# Who is asked ---------------------------------------------------------------------------------------------------------


def test_each_payment_is_given_back_by_whom_it_was_made_through() -> None:
    by_stars, by_stripe = MemoryRefunder(), MemoryRefunder()
    refunder = RefunderByMethod({Method.STARS: by_stars, Method.STRIPE: by_stripe})

    assert refunder.give_back(BY_STRIPE, order_of(BY_STRIPE)) == GivenBack()

    assert refunder.given_back(BY_STRIPE, order_of(BY_STRIPE))
    assert (by_stars.asked, by_stripe.asked) == ([], ["give back", "given back?"])


def test_a_method_that_is_not_set_up_gives_nothing_back() -> None:
    refunder = RefunderByMethod({})
    bought = payment(charge(invoice(method=Method.TELEGRAM)))
    assert isinstance(refunder.give_back(bought, order_of(bought)), Rejected)
    with pytest.raises(ProviderUnavailable):
        refunder.given_back(bought, order_of(bought))
