"""Today: one look that says whether all is well, and how the shop does."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from litestar import Response, get

from application.books import Kind
from application.figures import FUNNEL, Compared, Overview, Span
from domain.money import STARS, written
from entrypoints.console.charts import Chart, Line
from entrypoints.console.desk import Console
from entrypoints.console.forms import AnyRequest
from entrypoints.console.pages import Page
from entrypoints.console.spans import WORDS, beside, span_of
from entrypoints.console.standing import Tile, TodayDesk, not_known, tiles, worries
from entrypoints.console.visitors import Visitor
from entrypoints.console.wording import method, number
from entrypoints.http.handed import Handed

STEPS: Final = {
    Kind.INVOICE: "Invoices",
    Kind.APPROVED: "Approved before payment",
    Kind.PAYMENT: "Paid",
    Kind.GRANTED: "Granted",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One of the funnel; `share` is how many of a hundred first ones come as far as this."""

    word: str
    count: int
    share: int


@get("/")
async def today(request: AnyRequest, console: Handed[Console], today_desk: Handed[TodayDesk]) -> Response[bytes]:
    span = span_of(request)

    def read(_visitor: Visitor) -> Page:
        seen = today_desk.show(span)
        return Page(
            "today.html",
            {
                "span": span,
                "spans": WORDS,
                "worries": list(worries(seen, today_desk)),
                "money": list(_money(seen)),
                "counts": list(_counts(seen)),
                "not_known": not_known(seen, today_desk),
                "stands": list(tiles(seen, today_desk)),
                "funnel": _funnel(seen),
                "charts": list(_charts(seen)),
                "sold_anything": any(values for values in seen.taken.values()),
            },
        )

    return await console.show(request, read)


ROUTES = (today,)


def _money(seen: Overview) -> Iterator[Tile]:
    for (currency, by), compared in seen.taken.items():
        yield Tile(
            title=f"Taken by {method(by)}",
            value=written(compared.amount, currency),
            beside=beside(compared, seen.span, currency),
        )
    for (currency, by), compared in seen.given_back.items():
        yield Tile(
            title=f"Given back by {method(by)}",
            value=written(compared.amount, currency),
            beside=beside(compared, seen.span, currency),
            tone="bad" if compared.amount else "",
        )


def _counts(seen: Overview) -> Iterator[Tile]:
    payments, refunds, held = (
        seen.counts.get(kind, Compared()) for kind in (Kind.PAYMENT, Kind.REFUND, Kind.QUARANTINED)
    )
    span = seen.span
    yield Tile(title="Payments", value=number(payments.number), beside=beside(payments, span), href="/console/payments")
    yield Tile(
        title="Refunds",
        value=number(refunds.number),
        beside=beside(refunds, span),
        href="/console/payments?status=refunded",
    )
    yield Tile(title="Quarantined", value=number(held.number), beside=beside(held, span))


def _funnel(seen: Overview) -> list[Step]:
    counts = [seen.counts.get(kind, Compared()).number for kind in FUNNEL]
    most = max(counts) or 1
    return [
        Step(word=STEPS[kind], count=count, share=round(100 * count / most))
        for kind, count in zip(FUNNEL, counts, strict=True)
    ]


def _charts(seen: Overview) -> Iterator[Chart]:
    starts = seen.series.starts
    step = timedelta(hours=1) if seen.span in (Span.DAY, Span.WEEK) else timedelta(days=1)
    for currency, values in seen.series.taken.items():
        if any(values):
            unit = "Stars" if currency == STARS else currency
            yield Chart(
                question=f"How much was taken in {unit}?",
                starts=starts,
                step=step,
                lines=[Line(label="Taken", values=values, currency=currency)],
            )
    numbers = seen.series.numbers
    if any(any(numbers.get(kind, ())) for kind in (Kind.INVOICE, Kind.PAYMENT)):
        yield Chart(
            question="How many invoices became payments?",
            starts=starts,
            step=step,
            lines=[
                Line(label="Invoices", values=numbers[Kind.INVOICE]),
                Line(label="Payments", values=numbers[Kind.PAYMENT]),
            ],
        )
    if any(any(numbers.get(kind, ())) for kind in (Kind.REFUND, Kind.QUARANTINED)):
        yield Chart(
            question="How many were given back or held?",
            starts=starts,
            step=step,
            lines=[
                Line(label="Refunds", values=numbers[Kind.REFUND], tone="refused"),
                Line(label="Quarantined", values=numbers[Kind.QUARANTINED], tone="waiting"),
            ],
        )
