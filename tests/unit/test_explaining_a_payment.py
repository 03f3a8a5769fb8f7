"""What became of somebody's money is told in a sentence: what happened, why, and what can be done."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from application.books import LetterShown
from application.histories import PaymentHistory
from application.ports.trail import KeptEntry, TrailEntry
from domain.catalog import Method
from domain.entitlement import Entitlement
from domain.ids import BotName, ChargeId, EntitlementId
from domain.invoice import Objection
from domain.payment import DisputeState, PaymentStatus
from entrypoints.console.explanations import REASONS, consequence, explain, why
from entrypoints.console.moments import WIDTH, Line, bars, lines, person_of
from entrypoints.console.wording import visible
from tests.builders import (
    ALICE,
    BOB,
    DAY,
    FOR_LIFE,
    GOLD,
    HOUR,
    MAIN,
    charge,
    entitlement,
    invoice,
    payment,
    pence,
    stars,
)
from tests.memory import NOON


def told(reason: Objection | None = None, **different: Any) -> PaymentHistory:
    """Of Alice's payment for Gold; with a reason it is in quarantine."""
    status = PaymentStatus.GRANTED if reason is None else PaymentStatus.QUARANTINED
    known = PaymentHistory(
        payment=payment(**{"status": status, "quarantine_reason": reason, **different.pop("of", {})}),
        at=NOON,
        person=None,
        invoice=invoice(),
        entitlement=None,
        paid_by=None,
        lines=[],
        asked=None,
    )
    return replace(known, **different)


def sentence(history: PaymentHistory) -> str:
    return explain(history, str.upper).sentence


@pytest.mark.parametrize("reason", list(Objection))
def test_every_reason_is_told_with_and_without_an_invoice(reason: Objection) -> None:
    for history in (told(reason), told(reason, invoice=None)):
        assert sentence(history).startswith(f"Quarantined: {why(history)}")
        assert why(history).endswith(".")
        assert "None" not in sentence(history)
    assert REASONS[reason]


@pytest.mark.parametrize(
    ("history", "words"),
    [
        pytest.param(
            told(Objection.WRONG_USER, of={"charge": charge(payer=BOB)}),
            f"the invoice was issued to user {ALICE}, but user {BOB} paid it.",
            id="another user paid",
        ),
        pytest.param(
            told(Objection.AMOUNT_MISMATCH, of={"charge": charge(paid=stars(1))}),
            "the amount paid, 1 ⭐, was not the amount offered, which was 1,250 ⭐.",
            id="one Star",
        ),
        pytest.param(
            told(Objection.CURRENCY_MISMATCH, of={"charge": charge(paid=pence(1250))}),
            "the currency paid, £12.50, was not the currency offered, which was 1,250 ⭐.",
            id="pounds for Stars",
        ),
        pytest.param(
            told(Objection.INVOICE_ALREADY_PAID, paid_by=payment(charge(charged_at=NOON))),
            "the invoice had been paid already by another charge at 22 November 2026, 12:00:00 UTC, so this money paid "
            "for nothing.",
            id="paid twice",
        ),
        pytest.param(
            told(Objection.UNKNOWN_TO_PROVIDER), "Telegram's own ledger does not have the charge.", id="unknown"
        ),
        pytest.param(
            told(Objection.ALREADY_ENTITLED, of={"status": PaymentStatus.REFUND_PENDING}),
            "Being given back: 1,250 ⭐ return to user 7000000001 as soon as Telegram confirms it. Nothing was opened",
            id="on its way back",
        ),
        pytest.param(
            told(of={"status": PaymentStatus.REFUND_PENDING, "charge": charge(method=Method.STRIPE, paid=pence(1))}),
            "as soon as Stripe confirms it.",
            id="on its way back at Stripe",
        ),
        pytest.param(
            told(of={"status": PaymentStatus.REFUNDED, "refunded_at": NOON}),
            "Given back on 22 November 2026, 12:00:00 UTC. 1,250 ⭐ went back",
            id="given back",
        ),
        pytest.param(
            told(of={"status": PaymentStatus.REFUNDED, "disputes": {"dp_1": DisputeState.LOST}}),
            "Given back, because a dispute was lost. 1,250",
            id="lost",
        ),
        pytest.param(
            told(Objection.STALE_INVOICE, of={"status": PaymentStatus.REFUNDED}),
            "Given back, because the invoice had expired at",
            id="given back from quarantine",
        ),
        pytest.param(
            told(of={"status": PaymentStatus.REFUND_PENDING, "amount_refunded": 250}),
            "Being given back: 1,000 ⭐ return to user 7000000001",
            id="what is left is on its way back",
        ),
        pytest.param(told(), "Granted; what it opened was ended early since, as told below.", id="ended early"),
        pytest.param(
            told(of={"amount_refunded": 250}, entitlement=entitlement()),
            "Granted: GOLD_1M, open since 22 November 2026, until 22 December 2026. 250 ⭐ of it went back.",
            id="granted, a part went back",
        ),
        pytest.param(
            told(entitlement=entitlement(FOR_LIFE, user_id=BOB)),
            f"Granted for another user, {BOB}: GOLD_FOREVER, open since 22 November 2026, for life.",
            id="granted to another",
        ),
        pytest.param(
            told(entitlement=entitlement(starts_at=NOON + DAY)),
            "GOLD_1M, from 23 November 2026, when what was held of it before ends, until 23 December 2026.",
            id="later",
        ),
        pytest.param(
            told(entitlement=entitlement(), at=NOON + 60 * DAY),
            "GOLD_1M, which was open from 22 November 2026 until 22 December 2026; that time is over.",
            id="over",
        ),
        pytest.param(
            told(of={"disputes": {"dp_1": DisputeState.WITHDRAWN}}),
            "Granted, and interrupted: a dispute has taken the money away.",
            id="in dispute",
        ),
    ],
)
def test_what_happened_is_told_with_who_and_how_much(history: PaymentHistory, words: str) -> None:
    assert words in sentence(history)
    assert explain(history, str).advice


def test_a_payment_in_quarantine_whose_money_is_disputed_is_not_to_be_granted() -> None:
    disputed = told(Objection.STALE_INVOICE, of={"disputes": {"dp_1": DisputeState.WITHDRAWN}})
    assert "Grant it" not in explain(disputed, str).advice
    assert why(told()) == "nobody noted why."


def test_only_what_goes_back_to_a_bank_takes_days_to_be_seen() -> None:
    stars_back = told(of={"status": PaymentStatus.REFUNDED})
    money_back = told(of={"status": PaymentStatus.REFUNDED, "charge": charge(method=Method.STRIPE, paid=pence(2500))})
    assert explain(stars_back, str.upper).advice == "Nothing needs to be done."
    assert explain(money_back, str.upper).advice.endswith("It can take days until a bank shows it.")


def test_of_what_went_back_and_has_not_arrived_somebody_has_to_see_to_it() -> None:
    problem = "the buyer's bank did not take a refund that had been made; the money is yours again"
    back = {"status": PaymentStatus.REFUNDED}
    whole, part = (entry("refund_came_back", decision=stood, note=problem) for stood in ("refunded", "granted"))

    assert explain(told(of=back, lines=[whole, part]), str.upper).advice == (
        f"See to it: {problem}. Pay it to the buyer in another way, or grant the plan by hand."
    )
    assert explain(told(of=back, lines=[part]), str.upper).advice == "Nothing needs to be done."


def test_what_a_refund_does_is_told_before_it_is_done() -> None:
    assert "Gold ends when it has confirmed. This can't be undone." in consequence(payment(), "Gold")
    assert "ends" not in consequence(payment(status=PaymentStatus.QUARANTINED), "Gold")
    in_part = payment(charge(method=Method.STRIPE, paid=pence(2500)), amount_refunded=500)
    assert "Stripe is asked to return what is left, £20.00." in consequence(in_part, "Gold")
    by_card = payment(charge(method=Method.TELEGRAM, paid=pence(2500)))
    assert "return the £25.00 at your payment provider first" in consequence(by_card, "")


def entry(kind: str, **different: Any) -> KeptEntry:
    return KeptEntry(id=1, entry=TrailEntry(kind=kind, bot=MAIN, at=NOON, user_id=ALICE, **different))


def line(kind: str, **different: Any) -> Line:
    paid, issued = payment(), invoice()
    [only] = lines([entry(kind, **different)], {issued.id: issued}, {paid.charge.charge_id: paid})
    return only


def test_every_line_of_the_past_is_told_in_words() -> None:
    ours = {"invoice_id": invoice().id}
    charged = {"charge_id": payment().charge.charge_id}
    refused = line("pre_checkout", decision="rejected", reason=Objection.STALE_INVOICE, **ours)
    assert (refused.tone, refused.title) == ("bad", "Pre-checkout refused: the invoice had expired")
    assert line("pre_checkout", decision="ok", **ours).title == "Pre-checkout approved"
    assert line("invoice_issued", **ours).text == "Gold, 1 month, 1,250 ⭐, by Telegram Stars"
    paid = line("successful_payment", decision="quarantined", reason=Objection.WRONG_USER, **charged)
    assert (paid.tone, paid.title) == ("waits", "Paid 1,250 ⭐")
    assert paid.text == "quarantined: somebody else paid than the invoice was issued to"
    assert line("refunded_payment", **charged).title == "Given back 1,250 ⭐"
    assert line("charge_standing", decision="granted", **ours, **charged).text == "access goes on"
    assert line("charge_standing", decision="suspended", **ours, **charged).text == "suspended"
    ordered = line("refund_ordered", actor="console:ada", note="a mistake", **charged)
    assert (ordered.text, ordered.by, ordered.note) == ("1,250 ⭐", "ada", "a mistake")
    back = line("refund_came_back", note="no such account", **charged)
    assert (back.title, back.text) == ("A refund has not arrived; a person must see to it", "")
    unknown = line("successful_payment", decision="granted", charge_id=ChargeId("never heard of"))
    assert (unknown.title, unknown.payment_id) == ("Paid", None)
    assert line("something_new").title == "Something new"
    assert person_of(None) == ""


@pytest.mark.parametrize(
    ("different", "tone", "title"),
    [
        pytest.param({"sent_at": NOON}, "plain", "Message sent: plan menu", id="sent"),
        pytest.param({}, "waits", "Message waits to be sent: plan menu", id="waits"),
        pytest.param({"given_up_at": NOON, "problem": "blocked"}, "bad", "Message not sent: plan menu", id="given up"),
    ],
)
def test_a_message_tells_how_far_it_is(different: dict[str, Any], tone: str, title: str) -> None:
    known = {"sent_at": None, "given_up_at": None, "problem": None, **different}
    letter = LetterShown(id=1, bot=BotName("main"), kind="PlanMenu", created_at=NOON, **known)
    [only] = lines([letter], {}, {})
    assert (only.tone, only.title) == (tone, title)


def span(name: str, start: int, end: int | None, **different: Any) -> Entitlement:
    """In days from noon."""
    ends = None if end is None else NOON + end * DAY
    return entitlement(id=EntitlementId(name), starts_at=NOON + start * DAY, expires_at=ends, **different)


def test_spans_of_access_are_bars_on_one_scale_with_now_on_it() -> None:
    all_ = [
        span("later", 10, 20),
        span("now", 0, 10),
        span("over", -20, -10),
        span("ended", -10, 0, revoked_at=NOON - 5 * DAY),
    ]
    drawn = bars(all_, NOON)
    assert [(bar.state, bar.x, bar.width) for bar in drawn] == [
        ("later", 750, 250),
        ("active", 500, 250),
        ("over", 0, 250),
        ("revoked", 250, 125),
    ]
    assert {bar.now for bar in drawn} == {500}
    assert bars([], NOON) == []


def test_what_has_no_end_goes_on_to_the_edge_and_what_never_began_has_almost_no_length() -> None:
    [for_life] = bars([span("for life", 0, None)], NOON + HOUR)
    assert (for_life.x, for_life.x + for_life.width) == (0, WIDTH)
    assert for_life.now < WIDTH / 10
    ended_before = span("never", 5, 10, revoked_at=NOON + timedelta(seconds=1))
    assert bars([ended_before], NOON + DAY)[0].width == 4


@pytest.mark.threat(18)
def test_what_can_t_be_seen_is_not_shown_and_what_scripts_need_is() -> None:
    assert visible("\u202eeve\u200b\x00 \ud800\n") == "eve"
    assert visible("👩\u200d🔧 می\u200cخواهم") == "👩\u200d🔧 می\u200cخواهم"
    assert GOLD.title == visible(GOLD.title)
