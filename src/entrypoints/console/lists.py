"""Payments, and those in quarantine: filters that stay in the address, either end first, and all of it as a file."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
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
_DAYS: Final = frozenset({"since", "until"})
_A_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
MOST_ASKED: Final = 20
MOST_SORTED: Final = 10_000
"""As many payments are sorted by their amount in some hundredths of a second."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What stands in the address: the fields that are filled in, and what comes first; by amount, of which currency."""

    fields: Mapping[str, str]
    order: Order | ByAmount
    currency: str = ""

    @classmethod
    def read(cls, request: AnyRequest, *, otherwise: Order) -> "Asked":
        """Raises InvalidRequest for an order that there is not, and for amounts of no currency."""
        given = {name: request.query_params.get(name, "").strip() for name in _FILTERS}
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
        """Raises InvalidRequest, which names the filter and how it is written, for what can't be looked for."""
        if any(len(value) > LONGEST or "\0" in value for value in self.fields.values()):
            raise InvalidRequest("Nothing that can be looked for is that long, or has a NUL in it.")
        return PaymentFilter(**{_FILTERS[name].field: _FILTERS[name].read(text) for name, text in self.fields.items()})

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
        shown |= {"statuses": [*PaymentStatus], "methods": [*Method]}
        return Page("payments.html", shown, 400 if shown["wrong"] else 200)

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
        return Page("quarantine.html", {**shown, **of_reason}, 400 if shown["wrong"] else 200)

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
    wrong = ""
    try:
        told = asked.found(books, cursor)
    except InvalidRequest as refusal:  # the form stays as it was filled in
        told, wrong = PageOf(items=(), next_cursor=None), str(refusal)
    found: PageOf[Payment] = told or PageOf(items=(), next_cursor=None)
    waiting = books.register.asked_refunds(at_most=MOST_ASKED)
    people = books.names([*found.items, *(one.payment for one in waiting)])
    return {
        "found": found.items,
        "wrong": wrong,
        "next_cursor": found.next_cursor,
        "first": cursor is None,
        "path": asked.path(base),
        "base": base,
        "too_many": MOST_SORTED if told is None else 0,
        "order": asked.order.value,
        "currency": asked.currency,
        "sorting": asked.sorting,
        "otherwise": list(asked.sorted_otherwise(base, books.currencies)),
        "filters": _typed(asked.fields) if wrong else asked.fields,
        "exports": {form: f"/console/payments/export?{urlencode({**asked.fields, 'format': form})}" for form in _FORMS},
        "people": people,
        "plans": books.plans,
        "title": books.title,
        "waiting_refunds": [(one, person_of(one.asked_by)) for one in waiting],
        "is_mine": visitor.actor,
    }


_FORMS: Final = ("csv", "jsonl")


@dataclass(frozen=True, slots=True)
class _Filter:
    """Which field of a PaymentFilter it fills, from which text, and what is said where the text is none."""

    field: str
    of: Callable[[str], Any]
    otherwise: str = ""

    def read(self, text: str) -> Any:
        """Raises InvalidRequest."""
        try:
            return self.of(text)
        except (ValueError, OverflowError, InvalidRequest):
            raise InvalidRequest(self.otherwise) from None


def _typed(fields: Mapping[str, str]) -> dict[str, str]:
    """As the form shows them again: a browser takes no other text for a day, and complains."""
    return {name: text for name, text in fields.items() if name not in _DAYS or _A_DAY.fullmatch(text)}


def _one_of(kind: type[StrEnum]) -> str:
    return f"is one of {', '.join(kind)}."


def _yes(text: str) -> bool:
    if text != "yes":
        raise ValueError(text)
    return True


def _day(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)


_FILTERS: Final[Mapping[str, _Filter]] = {
    "status": _Filter("status", PaymentStatus, f"The state {_one_of(PaymentStatus)}"),
    "method": _Filter("method", Method, f"The method {_one_of(Method)}"),
    "plan_code": _Filter("plan_code", PlanCode),
    "user_id": _Filter("user_id", user_id_of, "A user id is a whole number. Names are found by the search above."),
    "charge_id": _Filter("charge_id", ChargeId),
    "since": _Filter("since", _day, "The first day is written like 2026-11-28."),
    "until": _Filter("until", lambda text: _day(text) + timedelta(days=1), "The last day is written like 2026-11-28."),
    "unconfirmed": _Filter("unconfirmed", _yes, "What is in no ledger yet is asked for by yes."),
    "reason": _Filter("quarantine_reason", Objection, f"The reason {_one_of(Objection)}"),
}
