"""Today: one look that says whether all is well, and how the shop does."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from litestar import Response, get

from adapters.sql.gauges import SqlGauges
from application.books import Kind
from application.figures import FUNNEL, Compared, Overview, ShowOverview, Span
from domain.money import STARS, written
from entrypoints.console.charts import Chart, Line
from entrypoints.console.desk import Console
from entrypoints.console.forms import AnyRequest
from entrypoints.console.pages import Page
from entrypoints.console.spans import WORDS, beside, span_of
from entrypoints.console.visitors import Visitor
from entrypoints.console.wording import lasting, method, number
from entrypoints.event_webhooks import shown
from entrypoints.http.handed import Handed
from entrypoints.settings import Settings

SLOW_AFTER: Final = timedelta(minutes=5)
"""What waits for longer than that to be sent or dealt with is worth a look."""
UNREAD_AFTER: Final = 10
"""So many rounds of reconciliation may be missed."""
STEPS: Final = {
    Kind.INVOICE: "Invoices",
    Kind.APPROVED: "Approved before payment",
    Kind.PAYMENT: "Paid",
    Kind.GRANTED: "Granted",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TodayDesk:
    """What the page is read from."""

    show: ShowOverview
    gauges: SqlGauges
    settings: Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A figure with what stands beside it."""

    title: str
    value: str
    beside: str
    href: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worry:
    """Something that a person should look at, and where."""

    said: str
    href: str
    does: str


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
                "waits": list(_waits(seen, today_desk)),
                "funnel": _funnel(seen),
                "charts": list(_charts(seen)),
                "sold_anything": any(values for values in seen.taken.values()),
            },
        )

    return await console.show(request, read)


ROUTES = (today,)


def worries(seen: Overview, desk: TodayDesk) -> Iterator[Worry]:
    """Whatever a person should look at, what matters most first."""
    now, standing, gauges = seen.at, seen.standing, desk.gauges
    if held := sum(standing.quarantined.values()):
        since = f", the oldest for {lasting(now - standing.quarantined_since)}" if standing.quarantined_since else ""
        payments = "1 payment waits" if held == 1 else f"{number(held)} payments wait"
        yield Worry(said=f"{payments} for a decision of yours{since}.", href="/console/quarantine", does="Decide")
    if standing.outbox_since and now - standing.outbox_since > SLOW_AFTER:
        said = f"A message to a user waits for {lasting(now - standing.outbox_since)} to be sent."
        yield Worry(said=said, href="/console/system", does="Look at Telegram")
    if (oldest := gauges.inbox_oldest(now)) and oldest > SLOW_AFTER:
        yield Worry(
            said=f"A report of Telegram or Stripe waits for {lasting(oldest)} to be dealt with.",
            href="/console/system",
            does="Look at the report",
        )
    if given_up := gauges.inbox_given_up():
        reports = "1 report" if given_up == 1 else f"{number(given_up)} reports"
        said = f"{reports} of Telegram or Stripe could not be understood; tollgram reconcile tries anew."
        yield Worry(said=said, href="/console/system", does="Look at the report")
    if standing.unconfirmed:
        payments = "1 payment" if standing.unconfirmed == 1 else f"{number(standing.unconfirmed)} payments"
        said = f"No provider's ledger has {payments} of the last week."
        yield Worry(said=said, href="/console/payments", does="Look at payments")
    for ledger in _unread(seen, desk.settings):
        yield Worry(
            said=f"{_ledger(ledger)} was not compared with our books lately.", href="/console/system", does="Look why"
        )
    for endpoint in desk.settings.event_endpoints:
        if gauges.endpoint(endpoint.id, now).disabled:
            said = f"Events are no longer pushed to {shown(endpoint)}."
            yield Worry(said=said, href=f"/console/events/{endpoint.id}", does="Look why")


def _unread(seen: Overview, settings: Settings) -> list[str]:
    late = UNREAD_AFTER * settings.reconcile_every
    return [ledger for ledger, at in seen.standing.ledgers.items() if late and seen.at - at > max(late, SLOW_AFTER)]


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


def _waits(seen: Overview, desk: TodayDesk) -> Iterator[Tile]:
    standing, now = seen.standing, seen.at
    held = sum(standing.quarantined.values())
    yield Tile(
        title="In quarantine now",
        value=number(held),
        beside=_oldest(standing.quarantined_since, now, "nothing waits for a person"),
        href="/console/quarantine",
        tone="waits" if held else "",
    )
    yield Tile(
        title="Messages to send",
        value=number(standing.outbox_pending),
        beside=_oldest(standing.outbox_since, now, "all are sent"),
    )
    yield Tile(
        title="Refunds under way",
        value=number(standing.refunds_pending),
        beside="until the provider confirms" if standing.refunds_pending else "none waits for its provider",
        href="/console/payments?status=refund_pending",
    )
    yield Tile(
        title="In no ledger",
        value=number(standing.unconfirmed),
        beside="payments of 7 days that no provider has told of"
        if standing.unconfirmed
        else "providers know every payment",
        tone="waits" if standing.unconfirmed else "",
    )
    for ledger, at in sorted(standing.ledgers.items()):
        yield Tile(
            title=_ledger(ledger), value=f"{lasting(now - at)} ago", beside="our books compared with the provider's"
        )
    heard = desk.gauges.heard_at()
    yield Tile(
        title="Heard from Telegram",
        value=f"{lasting(now - heard)} ago" if heard else "–",
        beside="a message or a pressed button" if heard else "no message in the last days",
    )


def _oldest(since: datetime | None, now: datetime, otherwise: str) -> str:
    return f"the oldest for {lasting(now - since)}" if since else otherwise


def _ledger(name: str) -> str:
    """stars:main is the Stars of main."""
    kind, _, bot = name.partition(":")
    return f"Stars of {bot}" if kind == "stars" else "Stripe"


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
