"""What became of a purchase and of the money, and what a user has."""

from adapters.telegram.titles import inert
from adapters.telegram.words import Speech, price_of
from application.messages import (
    AccessGiven,
    AccessRestored,
    AccessSuspended,
    AccessWithdrawn,
    Confirmation,
    PartReturned,
    PaymentHeld,
    PaymentReturned,
    PaymentReturning,
    PaySupport,
    PurchaseDeclined,
    Status,
    StatusLine,
)

SHORTEST_WAIT_S = 1


def declined(say: Speech, message: PurchaseDeclined) -> str:
    id = f"declined-{message.code}"
    match message.code:
        case "already_entitled":
            plan = inert(message.plan) if message.plan else say.plain("this-plan")
            if message.until is None:
                return say.html(f"{id}-for-life", plan=plan)
            return say.html(id, plan=plan, end=say.moment(message.until))
        case "rate_limited":
            return say.html(id, seconds=message.retry_after_s or SHORTEST_WAIT_S)
        case _:
            return say.either(id, "declined")


def confirmation(say: Speech, message: Confirmation) -> str:
    id = "confirmation-extended" if message.extends else "confirmation"
    values = {"plan": inert(message.plan), "price": price_of(message.price), "start": say.moment(message.starts_at)}
    if message.expires_at is None:
        return say.html(f"{id}-for-life", **values)
    return say.html(id, end=say.moment(message.expires_at), **values)


def held(say: Speech, message: PaymentHeld) -> str:
    price, reason = price_of(message.price), say.either(f"held-{message.reason}", "held")
    if message.plan is None:
        return say.html("payment-held", price=price, reason=reason)
    return say.html("payment-held-for", price=price, reason=reason, plan=inert(message.plan))


def returning(say: Speech, message: PaymentReturning) -> str:
    price, reason = price_of(message.price), say.either(f"held-{message.reason}", "held")
    if message.plan is None:
        return say.html("payment-returning", price=price, reason=reason)
    return say.html("payment-returning-for", price=price, reason=reason, plan=inert(message.plan))


def returned(say: Speech, message: PaymentReturned) -> str:
    ended, price = "-ended" if message.ended else "", price_of(message.price)
    if message.plan is None:
        return say.html(f"payment-returned{ended}", price=price)
    return say.html(f"payment-returned-for{ended}", price=price, plan=inert(message.plan))


def part_returned(say: Speech, message: PartReturned) -> str:
    price, left = price_of(message.price), price_of(message.left)
    if message.plan is None:
        return say.html("part-returned", price=price, left=left)
    return say.html("part-returned-for", price=price, left=left, plan=inert(message.plan))


def suspended(say: Speech, message: AccessSuspended) -> str:
    return say.html("access-suspended", plan=inert(message.plan))


def restored(say: Speech, message: AccessRestored) -> str:
    plan = inert(message.plan)
    if message.expires_at is None:
        return say.html("access-restored-for-life", plan=plan)
    return say.html("access-restored", plan=plan, end=say.moment(message.expires_at))


def given(say: Speech, message: AccessGiven) -> str:
    id = "access-given-extended" if message.extends else "access-given"
    values = {"plan": inert(message.plan), "start": say.moment(message.starts_at)}
    if message.expires_at is None:
        return say.html(f"{id}-for-life", **values)
    return say.html(id, end=say.moment(message.expires_at), **values)


def withdrawn(say: Speech, message: AccessWithdrawn) -> str:
    return say.html(f"access-withdrawn{'-ended' if message.ended else ''}", plan=inert(message.plan))


def status(say: Speech, message: Status) -> str:
    waiting = [say.html("status-waiting", price=price_of(price)) for price in message.waiting]
    if not message.plans:
        return say.fitted(say.html("status-nothing"), waiting)
    # What waits is about money, so it stands where nothing cuts it off.
    head = "\n\n".join((*waiting, say.html("status")))
    return say.fitted(head, [_line(say, line) for line in message.plans], between="\n")


def _line(say: Speech, line: StatusLine) -> str:
    if line.expires_at is None:
        return say.html("status-for-life", plan=inert(line.plan))
    return say.html("status-until", plan=inert(line.plan), end=say.moment(line.expires_at))


def pay_support(say: Speech, message: PaySupport, contact: str | None) -> str:
    user = str(message.user_id)
    if contact is None:
        return say.html("paysupport-without-contact", user=user)
    return say.html("paysupport", user=user, contact=contact)
