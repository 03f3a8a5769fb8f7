"""Payments, and those in quarantine: filters that stay in the address, either end first, and all of it as a file."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from litestar import Response, get

from application.books import ByAmount, Order
from application.ports.pages import Page as PageAsked
from application.ports.pages import PageOf
from application.ports.payments import PaymentFilter
from domain.catalog import Method
from domain.errors import InvalidRequest
from domain.ids import ChargeId, PlanCode
from domain.invoice import Objection
from domain.money import EXPONENTS, STARS
from domain.payment import Payment, PaymentStatus
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
MOST_SORTED: Final = 10_000
"""As many payments are sorted by their amount in some hundredths of a second."""
FIELDS: Final = ("status", "method", "plan_code", "user_id", "charge_id", "since", "until", "unconfirmed", "reason")


@dataclass(frozen=True, slots=True)
class Asked:
    """What stands in the address: the fields that are filled in, and what comes first; by amount, of which currency."""

    fields: Mapping[str, str]
    order: Order | ByAmount
    currency: str = ""

    @classmethod
    def read(cls, request: AnyRequest, *, otherwise: Order) -> "Asked":
        """Raises InvalidRequest for an order that there is not, and for amounts of no currency."""
        given = {name: request.query_params.get(name, "").strip() for name in FIELDS}
        text = request.query_params.get("sort", "")
        fields = {name: value for name, value in given.items() if value}
        if text in {*ByAmount}:
            currency = request.query_params.get("currency", "")
            if currency not in EXPONENTS:
                raise InvalidRequest("Amounts are sorted within one currency, such as currency=XTR.")
            return cls(fields, ByAmount(text), currency)
        try:
            return cls(fields, Order(text) if text else otherwise)
        except ValueError:
            raise InvalidRequest("The list can be sorted by newest, oldest, largest or smallest.") from None

    @property
    def wanted(self) -> PaymentFilter:
        """Raises InvalidRequest for what can't be looked for."""
        given = self.fields
        status, method, user = given.get("status"), given.get("method"), given.get("user_id")
        if any(len(value) > LONGEST or "\0" in value for value in given.values()):
            raise InvalidRequest("Nothing that can be looked for is that long, or has a NUL in it.")
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
        return f"{base}?{urlencode({**self.fields, **self.sorting, **other})}"

    @property
    def sorting(self) -> dict[str, str]:
        return {"sort": self.order.value, **({"currency": self.currency} if self.currency else {})}

    def sorted_otherwise(self, base: str, currencies: Iterable[str]) -> Iterator[tuple[str, str]]:
        """What else may come first, in words, each with its address."""
        for order in Order:
            if order is not self.order:
                yield f"{order} first", replace(self, order=order, currency="").path(base)
        for currency in [self.currency] if self.currency else currencies:
            unit = "Stars" if currency == STARS else currency
            for by in ByAmount:
                if by is not self.order:
                    yield f"{by} in {unit}", replace(self, order=by, currency=currency).path(base)

    def found(self, books: Books, cursor: str | None) -> PageOf[Payment] | None:
        """None where so many were found that they are not sorted by their amount."""
        page = PageAsked(limit=ROWS, cursor=cursor)
        if isinstance(self.order, Order):
            return books.register.payments(self.wanted, page, self.order)
        return books.register.payments_by_amount(
            self.wanted, page, self.order, currency=self.currency, among=MOST_SORTED
        )


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
        asked = replace(asked, fields={"status": PaymentStatus.QUARANTINED.value, **chosen})
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
    told = asked.found(books, cursor)
    found: PageOf[Payment] = told or PageOf(items=(), next_cursor=None)
    waiting = books.register.asked_refunds(at_most=MOST_ASKED)
    people = books.names([*found.items, *(one.payment for one in waiting)])
    return {
        "found": found.items,
        "next_cursor": found.next_cursor,
        "first": cursor is None,
        "path": asked.path(base),
        "base": base,
        "too_many": MOST_SORTED if told is None else 0,
        "order": asked.order.value,
        "currency": asked.currency,
        "sorting": asked.sorting,
        "otherwise": list(asked.sorted_otherwise(base, books.currencies)),
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
