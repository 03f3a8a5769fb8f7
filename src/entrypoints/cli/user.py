"""`tollgram user`: all that is known of one user."""

from datetime import datetime

from rich.text import Text

from application.ports.pages import Page
from application.ports.payments import PaymentFilter
from application.ports.trail import TrailFilter
from domain.entitlement import Entitlement
from domain.ids import UserId
from domain.payment import Payment
from entrypoints.cli.failure import WORKED
from entrypoints.cli.listing import Listing
from entrypoints.cli.moments import to_the_minute
from entrypoints.cli.payments import show_payments
from entrypoints.cli.quarantine import HOW_TO_DECIDE, show_waiting
from entrypoints.cli.terminal import say, show_json
from entrypoints.cli.trail import show_trail
from entrypoints.cli.workplace import workplace
from entrypoints.http.access_shapes import ServiceEntitlement
from entrypoints.http.payment_shapes import PaymentEvent, ServicePayment


def tell_user(user_id: int, *, limit: int, as_json: bool) -> int:
    """Access first, then money, then what happened last."""
    user, page = UserId(user_id), Page(limit=limit)
    with workplace() as container:
        entitlements, now = container.list_entitlements()(user)
        opened, more = container.find_payments()(PaymentFilter(user_id=user), page)
        events = container.find_payment_events()(TrailFilter(user_id=user), page).items
        with container.work().look() as tx:
            waiting = list(tx.payments.waiting_of(user))
    if as_json:
        show_json(
            {
                "user_id": user,
                "entitlements": [ServiceEntitlement.shown(row, now) for row in entitlements],
                "payments": [ServicePayment.of(*one) for one in opened],
                "quarantine": [ServicePayment.of(payment) for payment in waiting],
                "events": [PaymentEvent.of(kept) for kept in events],
            }
        )
        return WORKED
    if not (entitlements or opened or events):
        say(f"Nobody with the id {user} has ever bought here, or been given anything.")
        return WORKED
    say(f"User {user}", style="bold")
    _show_access([row for row in entitlements if row.held(now)], now)
    _show_ended([row for row in entitlements if not row.held(now)])
    _show_waiting(waiting)
    _show_paid([payment for payment, _ in opened], user, more=more is not None)
    show_trail("What happened last", events)
    return WORKED


def _show_access(held: list[Entitlement], now: datetime) -> None:
    say("\nAccess", style="bold")
    if not held:
        say("None now.", style="yellow")
        return
    listing = Listing(["Plan", "Now", "From (UTC)", "Until (UTC)", "By"], ["Entitlement", "Opens"])
    for row in sorted(held, key=lambda row: row.starts_at):
        now_open = Text("open", style="green") if row.open(now) else Text("later", style="yellow")
        until = "for life" if row.expires_at is None else to_the_minute(row.expires_at)
        cells = (row.plan_code, now_open, to_the_minute(row.starts_at), until, row.source)
        listing.add(*cells, below=[row.id, ", ".join(row.features)])
    listing.show()


def _show_ended(ended: list[Entitlement]) -> None:
    if not ended:
        return
    say("\nEnded", style="bold")
    listing = Listing(["Plan", "How", "From (UTC)", "Until (UTC)", "By"], ["Entitlement"])
    for row in ended:
        how = "over" if row.revoked_at is None else "ended early"
        until = to_the_minute(row.ends_at) if row.ends_at else "–"
        listing.add(row.plan_code, how, to_the_minute(row.starts_at), until, row.source, below=[row.id])
    listing.show()


def _show_waiting(waiting: list[Payment]) -> None:
    if waiting:
        say("\nIn quarantine", style="bold")
        show_waiting(waiting)
        say(HOW_TO_DECIDE)


def _show_paid(payments: list[Payment], user: UserId, *, more: bool) -> None:
    say("\nPayments", style="bold")
    if not payments:
        say("None.")
        return
    show_payments(payments)
    if more:
        say(f"There are more: tollgram payments --user {user}")
