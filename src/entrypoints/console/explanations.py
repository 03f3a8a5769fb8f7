"""What has happened to a payment, and why, in a sentence or two that an operator could say to the person who asks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from application.histories import PaymentHistory
from application.standing import not_arrived
from domain.entitlement import Entitlement
from domain.invoice import Objection
from domain.money import STARS, Money
from domain.payment import DisputeState, Payment, PaymentStatus
from domain.returning import can_be_given_back
from entrypoints.console.wording import METHODS, amount, day, exact

REASONS: Final[Mapping[str, str]] = {
    Objection.BAD_PAYLOAD: "it names no invoice that this service has signed",
    Objection.UNKNOWN_INVOICE: "its invoice is not known here",
    Objection.WRONG_USER: "somebody else paid than the invoice was issued to",
    Objection.PLAN_MISMATCH: "the invoice is for another plan than the payment names",
    Objection.CURRENCY_MISMATCH: "it was paid in another currency than was asked for",
    Objection.AMOUNT_MISMATCH: "the amount paid was not the amount offered",
    Objection.STALE_INVOICE: "the invoice had expired",
    Objection.INVOICE_ALREADY_PAID: "the invoice had been paid already",
    Objection.INVOICE_CANCELLED: "the invoice had been cancelled",
    Objection.PLAN_WITHDRAWN: "the plan is not on sale any more",
    Objection.PRICE_CHANGED: "the price has changed since",
    Objection.ALREADY_ENTITLED: "the plan is held already",
    Objection.DISABLED: "payments by Telegram are switched off",
    Objection.UNAVAILABLE: "the service could not decide in time",
    Objection.UNPROCESSABLE: "our own code failed on it again and again",
    Objection.UNKNOWN_TO_PROVIDER: "the provider's own ledger does not have it",
}
"""Each reason as the second half of a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """`state` is one of wording's; `sentence` what happened and why, `advice` what can be done."""

    state: str
    sentence: str
    advice: str


def explain(told: PaymentHistory, title: Callable[[str], str]) -> Explanation:
    """`title` is how a plan is called."""
    payment = told.payment
    match payment.status:
        case PaymentStatus.GRANTED:
            return _granted(told, title)
        case PaymentStatus.QUARANTINED:
            return Explanation(
                state=payment.status,
                sentence=f"Quarantined: {why(told)} The money is kept, and nobody was given anything for it.",
                advice="Grant it or give it back; until then it waits."
                if not payment.in_dispute
                else _WAITS_FOR_DISPUTE,
            )
        case PaymentStatus.REFUND_PENDING:
            before = f" Nothing was opened for it: {why(told)}" if payment.quarantine_reason else ""
            return Explanation(
                state=payment.status,
                sentence=f"Being given back: {_left(payment)} return to {_payer(payment)} "
                f"as soon as {_provider(payment)} confirms it.{before}",
                advice="Nothing needs to be done. What it opened ends when the refund is confirmed.",
            )
    at = f" on {exact(payment.refunded_at)}" if payment.refunded_at else ""
    advice = f"Nothing needs to be done.{_SHOWN_LATE if payment.charge.paid.currency != STARS else ''}"
    if problem := not_arrived(told.lines):
        advice = f"See to it: {problem}. Pay it to the buyer in another way, or grant the plan by hand."
    return Explanation(
        state=payment.status,
        sentence=f"Given back{at}{_because(told)} {_sum(payment.charge.paid)} went back to "
        f"{_payer(payment)}, and nothing is open for it.",
        advice=advice,
    )


def _because(told: PaymentHistory) -> str:
    if DisputeState.LOST in told.payment.disputes.values():
        return ", because a dispute was lost."
    return f", because {why(told)}" if told.payment.quarantine_reason else "."


def why(told: PaymentHistory) -> str:
    """Why a payment grants nothing, as a whole sentence."""
    reason = told.payment.quarantine_reason
    if reason is None:
        return "nobody noted why."
    return _DETAILED.get(reason, _plainly)(told)


_SHOWN_LATE: Final = " It can take days until a bank shows it."
_WAITS_FOR_DISPUTE: Final = "Its money is disputed and gone for now: give it back, or wait for what the bank decides."


def _granted(told: PaymentHistory, title: Callable[[str], str]) -> Explanation:
    payment, opened = told.payment, told.entitlement
    part = (
        f" {amount(payment.amount_refunded, payment.charge.paid.currency)} of it went back."
        if payment.amount_refunded
        else ""
    )
    if payment.in_dispute or payment.suspended:
        return Explanation(
            state="suspended",
            sentence=f"Granted, and interrupted: a dispute has taken the money away.{part}",
            advice="Access goes on by itself if the dispute is won, and counts as refunded if it is lost.",
        )
    if opened is None:
        return Explanation(
            state=payment.status,
            sentence=f"Granted; what it opened was ended early since, as told below.{part}",
            advice="Give the money back, or grant the time again on the user's page.",
        )
    for_whom = "" if opened.user_id == payment.charge.payer else f" for another user, {opened.user_id}"
    return Explanation(
        state=payment.status,
        sentence=f"Granted{for_whom}: {title(opened.plan_code)}, {_span(opened, told.at)}{part}",
        advice="The user has what was paid for. If they can't see it, ask which account of Telegram they look from."
        if opened.open(told.at)
        else "Nothing needs to be done.",
    )


def _span(opened: Entitlement, now: datetime) -> str:
    until = "for life" if opened.expires_at is None else f"until {day(opened.expires_at)}"
    if opened.starts_at > now:
        return f"from {day(opened.starts_at)}, when what was held of it before ends, {until}."
    if not opened.lasts(now):
        return f"which was open from {day(opened.starts_at)} {until}; that time is over."
    return f"open since {day(opened.starts_at)}, {until}."


def _wrong_user(told: PaymentHistory) -> str:
    issued_to = f"user {told.invoice.payer}" if told.invoice else "somebody else"
    return f"the invoice was issued to {issued_to}, but user {told.payment.charge.payer} paid it."


def _other_sum(told: PaymentHistory) -> str:
    asked = f", which was {_sum(told.invoice.offer.price)}" if told.invoice else ""
    what = "currency" if told.payment.quarantine_reason is Objection.CURRENCY_MISMATCH else "amount"
    return f"the {what} paid, {_sum(told.payment.charge.paid)}, was not the {what} offered{asked}."


def _stale(told: PaymentHistory) -> str:
    at = f" at {exact(told.invoice.expires_at)}" if told.invoice else ""
    return (
        f"the invoice had expired{at}, before the money moved at {exact(told.payment.charge.charged_at)}, and no "
        "pre-checkout of it was ever approved."
    )


def _paid_already(told: PaymentHistory) -> str:
    first = f" by another charge at {exact(told.paid_by.charge.charged_at)}" if told.paid_by else " by another charge"
    return f"the invoice had been paid already{first}, so this money paid for nothing."


def _bad_payload(told: PaymentHistory) -> str:
    return (
        "it names no invoice that this service has signed for this bot, so nobody can tell what was bought. "
        "A lost signing key, or another service that sells through the same bot, looks like this."
    )


def _held_for_life(told: PaymentHistory) -> str:
    return "the payer holds the plan for life already, and nothing can follow that."


def _unprocessable(told: PaymentHistory) -> str:
    return "our own code failed on it again and again, as the log tells; the charge itself is real."


def _unknown_to_provider(told: PaymentHistory) -> str:
    return (
        f"{_provider(told.payment)}'s own ledger does not have the charge. Whatever it had opened is interrupted until "
        "the ledger has it or a person decides."
    )


def _plainly(told: PaymentHistory) -> str:
    reason = told.payment.quarantine_reason
    return f"{REASONS[reason]}." if reason else ""


_DETAILED: Final[Mapping[Objection, Callable[[PaymentHistory], str]]] = {
    Objection.BAD_PAYLOAD: _bad_payload,
    Objection.WRONG_USER: _wrong_user,
    Objection.AMOUNT_MISMATCH: _other_sum,
    Objection.CURRENCY_MISMATCH: _other_sum,
    Objection.STALE_INVOICE: _stale,
    Objection.INVOICE_ALREADY_PAID: _paid_already,
    Objection.ALREADY_ENTITLED: _held_for_life,
    Objection.UNPROCESSABLE: _unprocessable,
    Objection.UNKNOWN_TO_PROVIDER: _unknown_to_provider,
}


def consequence(payment: Payment, plan: str) -> str:
    """What giving it back does, told before it is done."""
    if not can_be_given_back(payment.charge.method):
        return (
            f"Telegram gives back Stars only: return the {_left(payment)} at your payment provider first. "
            f"This records that it was done, and ends {plan or 'what it opened'} at once."
        )
    opened = f" {plan or 'What it opened'} ends when it has confirmed." if payment.status == "granted" else ""
    what = f"what is left, {_left(payment)}" if payment.amount_refunded else "the whole sum"
    return f"{_provider(payment)} is asked to return {what}.{opened} This can't be undone."


def _sum(paid: Money) -> str:
    return str(paid)


def _left(payment: Payment) -> str:
    return amount(payment.left, payment.charge.paid.currency)


def _payer(payment: Payment) -> str:
    return f"user {payment.charge.payer}"


def _provider(payment: Payment) -> str:
    return "Stripe" if METHODS[payment.charge.method] == "Stripe" else "Telegram"
