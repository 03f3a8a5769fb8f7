"""`tollgram user`: all that is known of one user."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.text import Text

from application.books import LetterShown, Person
from application.histories import Moment
from application.ports.pages import Page
from application.ports.payments import PaymentFilter
from application.ports.trail import TrailFilter
from domain.entitlement import Entitlement
from domain.ids import UserId
from domain.payment import Payment
from entrypoints.cli.failure import FAILED, WORKED
from entrypoints.cli.listing import Listing
from entrypoints.cli.moments import to_the_minute
from entrypoints.cli.payments import show_payments
from entrypoints.cli.quarantine import HOW_TO_DECIDE, show_waiting
from entrypoints.cli.terminal import say, show_json, tell, visible
from entrypoints.cli.trail import show_trail
from entrypoints.cli.workplace import workplace
from entrypoints.container import Container
from entrypoints.http.access_shapes import ServiceEntitlement
from entrypoints.http.payment_shapes import PaymentEvent, ServicePayment, legible


def tell_user(who: str, user_id: int | None, *, limit: int, as_json: bool) -> int:
    """Access first, then money, then what happened last; 1 where nobody is known by it, or not one alone.

    `user_id` is what was typed where that is one; whom else it means is searched for.
    """
    with workplace() as container:
        found = [UserId(user_id)] if user_id is not None else _meant(container, who)
        if len(found) == 1:
            return _tell_of(container, found[0], limit=limit, as_json=as_json)
        people = container.people().of(found)
    if as_json:
        show_json({"asked_for": who, "found": [_person_in_json(user, people.get(user)) for user in found]})
    elif found:
        _show_people(found, people)
        tell(f"{len(found)} users are found by {who!r}.", "Choose one: tollgram user ID")
    else:
        tell(
            f"Nobody is found by {who!r}.",
            "Names are those of people who have talked to the bot; /paysupport tells everybody their id.",
        )
    return FAILED


def _meant(container: Container, who: str) -> list[UserId]:
    """A whole @username is one person, also where others begin with it."""
    found = container.search()(who)
    name = who.strip().removeprefix("@").casefold()
    if who.strip().startswith("@") and (exact := [p for p in found.people if p.username.casefold() == name]):
        return [person.user_id for person in exact]
    payers = [payment.charge.payer for payment in found.payments] + [invoice.payer for invoice in found.invoices]
    return list(dict.fromkeys([*found.users, *payers, *(person.user_id for person in found.people)]))


def _tell_of(container: Container, user: UserId, *, limit: int, as_json: bool) -> int:
    page = Page(limit=limit)
    entitlements, now = container.list_entitlements()(user)
    opened, more = container.find_payments()(PaymentFilter(user_id=user), page)
    with container.work().look() as tx:
        waiting = list(tx.payments.waiting_of(user))
    letters = container.register().letters_to(user, before=None, limit=limit)
    known = bool(letters) or container.register().known(user)
    person = container.people().of([user]).get(user)
    if as_json:
        events = container.find_payment_events()(TrailFilter(user_id=user), page).items
        show_json(
            {
                "user_id": user,
                "known": known,
                "person": _person_in_json(user, person) if person else None,
                "entitlements": [ServiceEntitlement.shown(row, now) for row in entitlements],
                "payments": [ServicePayment.of(*one) for one in opened],
                "quarantine": [ServicePayment.of(payment) for payment in waiting],
                "events": [PaymentEvent.of(kept) for kept in events],
                "messages": [_letter_in_json(letter) for letter in letters],
            }
        )
        return WORKED if known else FAILED
    if not known:
        tell(
            f"Nobody with the id {user} has ever talked to the bot, bought here, or been given anything.",
            "By a name: tollgram user NAME. By what they paid: tollgram payments --charge ID",
        )
        return FAILED
    say(f"User {user}{_named(person)}", style="bold")
    _show_access([row for row in entitlements if row.held(now)], now)
    _show_ended([row for row in entitlements if not row.held(now)])
    _show_waiting(waiting)
    _show_paid([payment for payment, _ in opened], user, more=more is not None)
    show_trail("What happened last", _moments(container, user, limit))
    return WORKED


def _moments(container: Container, user: UserId, limit: int) -> list[Moment]:
    """The newest of what happened, and of what was written to them."""
    found: list[Moment] = []
    cursor = None
    while len(found) < limit:
        told = container.show_user()(user, cursor)
        found += told.moments
        cursor = told.next_cursor
        if cursor is None:
            break
    return found[:limit]


def _show_people(users: Sequence[UserId], people: Mapping[UserId, Person]) -> None:
    listing = Listing(["User", "Last seen (UTC)", "Username"], ["Name"], frozenset({"User"}))
    for user in users:
        person = people.get(user)
        username = f"@{visible(person.username)}" if person and person.username else "–"
        seen = to_the_minute(person.seen_at) if person else "–"
        listing.add(str(user), seen, username, below=[visible(person.name) if person else ""])
    listing.show()


def _named(person: Person | None) -> str:
    if person is None:
        return ""
    return "".join(f", {visible(name)}" for name in (person.name, person.username and f"@{person.username}") if name)


def _person_in_json(user: UserId, person: Person | None) -> dict[str, Any]:
    return {
        "user_id": user,
        "name": legible(person.name) if person else None,
        "username": legible(person.username) if person else None,
        "seen_at": person.seen_at if person else None,
    }


def _letter_in_json(letter: LetterShown) -> dict[str, Any]:
    return {
        "bot": letter.bot,
        "kind": letter.kind,
        "created_at": letter.created_at,
        "sent_at": letter.sent_at,
        "given_up_at": letter.given_up_at,
        "problem": legible(letter.problem),
    }


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
