"""What became of a charge, in one sentence, and what is to be done about it: for whoever answers the payer."""

from datetime import datetime

from application.charge_story import ChargeStory
from application.standing import not_arrived
from domain.entitlement import Entitlement
from domain.invoice import Invoice
from domain.money import STARS, Money
from domain.payment import Payment, PaymentStatus
from entrypoints.trail_words import BECAUSE

NOTHING = "Nothing is to be done."


def what_happened(story: ChargeStory, named: str) -> str:
    """One sentence. `named` is the id by which it was looked for."""
    payment = story.payment
    if payment is None:
        return _without_payment(story, named)
    whose = f"{payment.charge.paid} of user {payment.charge.payer}"
    match payment.status:
        case PaymentStatus.GRANTED:
            return _granted(story, payment, whose)
        case PaymentStatus.QUARANTINED:
            return f"In quarantine: {whose} opened nothing{_because(payment)}."
        case PaymentStatus.REFUND_PENDING:
            return f"Going back: {whose}, {_ordered(story)}; the provider has not confirmed it yet."
        case PaymentStatus.REFUNDED:
            ended = "the access that it paid for has ended" if story.spans else "it never opened anything"
            at = f" at {_time(payment.refunded_at)}" if payment.refunded_at else ""
            return f"Given back: {whose}{at}; {ended}."


def what_to_do(story: ChargeStory) -> str:
    """The next step, as a command where there is one."""
    payment, span = story.payment, _last(story)
    if payment is None:
        return _seek(story)
    match payment.status:
        case PaymentStatus.QUARANTINED:
            return (
                f"Decide: tollgram quarantine grant {payment.id} --reason WHY\n"
                f"    or: tollgram quarantine refund {payment.id} --reason WHY"
            )
        case PaymentStatus.REFUND_PENDING:
            return "The service goes on asking the provider: look again in a few minutes."
        case PaymentStatus.REFUNDED if problem := not_arrived(story.trail):
            return (
                f"See to it: {problem}. Pay it to the buyer in another way,\n"
                f"  or give: tollgram grant {payment.charge.payer} {payment.plan_code or 'PLAN'} --reason WHY"
            )
        case PaymentStatus.REFUNDED:
            late = "" if payment.charge.paid.currency == STARS else "; banks may take days to show it"
            return f"{NOTHING} The money is back where it came from{late}."
    if payment.suspended:
        return "Answer the dispute in Stripe's dashboard. Once it is won, what was left goes on by itself."
    if span and span.open(story.at):
        return f"{NOTHING} Services that ask are told yes to: {', '.join(span.features)}."
    if span and span.held(story.at):
        return f"{NOTHING} It begins by itself."
    if span and span.revoked_at:
        return f"To give it again: tollgram grant {span.user_id} {span.plan_code} --reason WHY"
    return "They may buy it again: /buy"


def _without_payment(story: ChargeStory, named: str) -> str:
    if story.refund:
        at = _time(story.refund.refunded_at)
        return f"Given back: {story.refund.refunded} at {at}, says the provider, who never told us of the payment."
    if story.invoice:
        return _unpaid(story.invoice, story)
    return f"Unknown: nobody has told us of {named}."


def _unpaid(invoice: Invoice, story: ChargeStory) -> str:
    offer = invoice.offer
    words = f"Not paid: the invoice of user {invoice.payer} for {offer.plan_code} at {offer.price} is "
    words += f"{invoice.state(story.at)}, and nobody has told us of a payment"
    refused = next((kept.entry.reason for kept in story.trail if kept.entry.kind == "pre_checkout"), None)
    return f"{words}; the last try was refused, because {BECAUSE[refused]}." if refused else f"{words}."


def _seek(story: ChargeStory) -> str:
    if story.refund:
        return f"{NOTHING} It will never open anything."
    return (
        "To look in the providers' own ledgers: tollgram reconcile\n"
        "A charge's id is Telegram's telegram_payment_charge_id, or Stripe's pi_…\n"
        "What was paid by a provider token, only that payment provider knows."
    )


def _granted(story: ChargeStory, payment: Payment, whose: str) -> str:
    if payment.suspended:
        return f"Interrupted: a dispute has taken {whose} away, and access waits for its outcome."
    span = _last(story)
    if span is None:
        return f"Granted: {whose}, to another user, whose access has ended since."
    back = ""
    if payment.amount_refunded:
        back = f" {Money(amount=payment.amount_refunded, currency=payment.charge.paid.currency)} of it went back."
    opened = f"{whose} opened {span.plan_code}"
    if span.user_id != payment.charge.payer:
        opened += f" for user {span.user_id}"
    if span.revoked_at:
        return f"Ended: {opened}, until {_time(span.revoked_at)}, when {_ended(story)}.{back}"
    if not span.held(story.at):
        return f"Over: {opened}, {_until(span)}.{back}"
    begins = f" from {_time(span.starts_at)}" if span.starts_at > story.at else ""
    return f"Granted: {opened}{begins}, {_until(span)}.{back}"


def _last(story: ChargeStory) -> Entitlement | None:
    return story.spans[0] if story.spans else None


def _ended(story: ChargeStory) -> str:
    by = next((kept.entry for kept in story.trail if kept.entry.kind == "entitlement_revoked"), None)
    return f"{by.actor} ended it: {by.note}" if by else "it was ended"


def _ordered(story: ChargeStory) -> str:
    order = next((kept.entry for kept in story.trail if kept.entry.kind == "refund_ordered"), None)
    if order is None:
        return "as was ordered"
    return f"ordered by {order.actor or 'Tollgram'} at {_time(order.at)}"


def _because(payment: Payment) -> str:
    return f", because {BECAUSE[payment.quarantine_reason]}" if payment.quarantine_reason else ""


def _until(span: Entitlement) -> str:
    return "for life" if span.expires_at is None else f"until {_time(span.expires_at)}"


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
