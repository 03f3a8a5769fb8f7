"""Payments, and those in quarantine: filters that stay in the address, either end first, and all of it as a file."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from litestar import Response, get

from application.books import Order
from application.ports.pages import Page as PageAsked
from application.ports.payments import PaymentFilter
from domain.catalog import Method
from domain.errors import InvalidRequest
from domain.ids import ChargeId, PlanCode
from domain.invoice import Objection
from domain.payment import PaymentStatus
from entrypoints.console.books import Books
from entrypoints.console.desk import Console
from entrypoints.console.explanations import REASONS
from entrypoints.console.forms import AnyRequest
from entrypoints.console.moments import person_of
from entrypoints.console.pages import Page
from entrypoints.console.visitors import Visitor
from entrypoints.http.checks import user_id_of
from entrypoints.http.exports import export, form_of
from entrypoints.http.handed import Handed
from entrypoints.http.payment_shapes import ServicePayment

ROWS: Final = 50
LONGEST: Final = 255
MOST_ASKED: Final = 20
FIELDS: Final = ("status", "method", "plan_code", "user_id", "charge_id", "since", "until", "unconfirmed", "reason")


@dataclass(frozen=True, slots=True)
class Asked:
    """What stands in the address: the fields that are filled in, and which end comes first."""

    fields: Mapping[str, str]
    order: Order

    @classmethod
    def read(cls, request: AnyRequest, *, otherwise: Order) -> "Asked":
        """Raises InvalidRequest for an order that there is not."""
        given = {name: request.query_params.get(name, "").strip() for name in FIELDS}
        text = request.query_params.get("sort", "")
        try:
            order = Order(text) if text else otherwise
        except ValueError:
            raise InvalidRequest("The list can be sorted by newest or oldest.") from None
        return cls({name: value for name, value in given.items() if value}, order)

    @property
    def wanted(self) -> PaymentFilter:
        """Raises InvalidRequest for what can't be looked for."""
        given = self.fields
        status, method, user = given.get("status"), given.get("method"), given.get("user_id")
        if any(len(value) > LONGEST for value in given.values()):
            raise InvalidRequest("Nothing that can be looked for is that long.")
        try:
            return PaymentFilter(
                status=PaymentStatus(status) if status else None,
                method=Method(method) if method else None,
                plan_code=PlanCode(given["plan_code"]) if "plan_code" in given else None,
                user_id=user_id_of(user) if user else None,
                charge_id=ChargeId(given["charge_id"]) if "charge_id" in given else None,
                since=_day(given["since"]) if "since" in given else None,
                until=_day(given["until"]) + timedelta(days=1) if "until" in given else None,
                quarantine_reason=Objection(given["reason"]) if "reason" in given else None,
                unconfirmed=_yes(given["unconfirmed"]) if "unconfirmed" in given else False,
            )
        except (ValueError, OverflowError):
            raise InvalidRequest(
                "One of the filters is none that can be looked for: dates are written 2026-11-28."
            ) from None

    def path(self, base: str, **other: str) -> str:
        """The address of the same list, with these changed."""
        query = urlencode({**self.fields, "sort": self.order.value, **other})
        return f"{base}?{query}"


@get("/payments")
async def payments(request: AnyRequest, console: Handed[Console], books: Handed[Books]) -> Response[bytes]:
    def read(visitor: Visitor) -> Page:
        asked = Asked.read(request, otherwise=Order.NEWEST)
        shown = _listed(request, books, visitor, asked, "/console/payments")
        return Page("payments.html", {**shown, "statuses": [*PaymentStatus], "methods": [*Method]})

    return await console.show(request, read)


@get("/quarantine")
async def quarantine(request: AnyRequest, console: Handed[Console], books: Handed[Books]) -> Response[bytes]:
    def read(visitor: Visitor) -> Page:
        asked = Asked.read(request, otherwise=Order.OLDEST)
        chosen = {name: value for name, value in asked.fields.items() if name == "reason"}
        asked = Asked({"status": PaymentStatus.QUARANTINED.value, **chosen}, asked.order)
        shown = _listed(request, books, visitor, asked, "/console/quarantine")
        standing = books.register.standing(console.clock.now())
        by_reason = sorted(standing.quarantined.items(), key=lambda one: (-one[1], one[0]))
        links = {reason: asked.path("/console/quarantine", reason=reason) for reason, _ in by_reason}
        chosen_reason = chosen.get("reason", "")
        of_reason = {"by_reason": by_reason, "reasons": REASONS, "links": links, "chosen": chosen_reason}
        return Page("quarantine.html", {**shown, **of_reason})

    return await console.show(request, read)


@get("/payments/export")
async def export_payments(request: AnyRequest, console: Handed[Console], books: Handed[Books]) -> Response[bytes]:
    """Newest first, whichever end the page shows first: what is added while it is written is not in it."""

    def read(_visitor: Visitor) -> Response[Any]:
        wanted = Asked.read(request, otherwise=Order.NEWEST).wanted

        def pages(page: PageAsked) -> tuple[list[ServicePayment], str | None]:
            found, next_cursor = books.find_payments(wanted, page)
            return [ServicePayment.of(*one) for one in found], next_cursor

        return export("payments", ServicePayment, pages, form_of(request.query_params.get("format")))

    return await console.show(request, read)


ROUTES = (payments, quarantine, export_payments)


def _listed(request: AnyRequest, books: Books, visitor: Visitor, asked: Asked, base: str) -> dict[str, Any]:
    cursor = request.query_params.get("cursor") or None
    found = books.register.payments(asked.wanted, PageAsked(limit=ROWS, cursor=cursor), asked.order)
    waiting = books.register.asked_refunds(at_most=MOST_ASKED)
    people = books.names([*found.items, *(one.payment for one in waiting)])
    other = Order.OLDEST if asked.order is Order.NEWEST else Order.NEWEST
    return {
        "found": found.items,
        "next_cursor": found.next_cursor,
        "first": cursor is None,
        "path": asked.path(base),
        "base": base,
        "turned": asked.path(base, sort=other.value),
        "order": asked.order.value,
        "filters": asked.fields,
        "exports": {form: f"/console/payments/export?{urlencode({**asked.fields, 'format': form})}" for form in _FORMS},
        "people": people,
        "plans": books.plans,
        "title": books.title,
        "waiting_refunds": [(one, person_of(one.asked_by)) for one in waiting],
        "is_mine": visitor.actor,
    }


_FORMS: Final = ("csv", "jsonl")


def _yes(text: str) -> bool:
    if text != "yes":
        raise ValueError(text)
    return True


def _day(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
