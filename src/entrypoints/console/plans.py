"""Plans: the catalog as it is live, how each sells, and how many hold it."""

from collections.abc import Mapping
from dataclasses import dataclass

from litestar import Response, get

from application.figures import PlanFigures, ShowPlans, Span
from domain.catalog import Catalog, Method, Plan, Tills
from domain.ids import PlanCode
from domain.money import written
from entrypoints.console.desk import Console
from entrypoints.console.forms import AnyRequest
from entrypoints.console.pages import Page
from entrypoints.console.spans import WORDS, beside, span_of
from entrypoints.console.visitors import Visitor
from entrypoints.console.wording import method
from entrypoints.http.handed import Handed


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanDesk:
    """What the page is read from."""

    show: ShowPlans
    catalog: Catalog
    tills: Tills


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """What came in or went back in one currency, and what beside it."""

    currency: str
    number: int
    amount: int
    beside: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanShown:
    """`plan` is None where the catalog does not have it any more; `prices` are those that can be paid here."""

    code: PlanCode
    plan: Plan | None
    prices: list[tuple[str, str]]
    holders: int
    sold: list[Sum]
    given_back: list[Sum]


@get("/plans")
async def plans(request: AnyRequest, console: Handed[Console], plan_desk: Handed[PlanDesk]) -> Response[bytes]:
    span = span_of(request, Span.MONTH)

    def read(_visitor: Visitor) -> Page:
        figures = plan_desk.show(span)
        codes = [*plan_desk.catalog.plans, *(code for code in figures if code not in plan_desk.catalog.plans)]
        shown = [_shown(code, figures, plan_desk, span) for code in codes]
        return Page("plans.html", {"span": span, "spans": WORDS, "plans": shown})

    return await console.show(request, read)


ROUTES = (plans,)


def _shown(code: PlanCode, figures: Mapping[PlanCode, PlanFigures], desk: PlanDesk, span: Span) -> PlanShown:
    plan = desk.catalog.plans.get(code)
    known = figures.get(code, PlanFigures(holders=0, sold={}, given_back={}))
    return PlanShown(
        code=code,
        plan=plan,
        prices=_prices(plan, desk.tills) if plan else [],
        holders=known.holders,
        sold=_sums(known, span),
        given_back=[
            Sum(currency=currency, number=one.number, amount=one.amount, beside="")
            for currency, one in known.given_back.items()
            if one.number
        ],
    )


def _sums(figures: PlanFigures, span: Span) -> list[Sum]:
    return [
        Sum(currency=currency, number=one.number, amount=one.amount, beside=beside(one, span, currency))
        for currency, one in figures.sold.items()
    ]


def _prices(plan: Plan, tills: Tills) -> list[tuple[str, str]]:
    """Each method in words with its price; where none can be paid here, the catalog's own, without a method."""
    offered: list[Method] = list(tills.methods_for(plan))
    if not offered:
        return [("", written(amount, currency)) for currency, amount in plan.prices.items()]
    return [(method(one.value), written(plan.prices[tills.currencies[one]], tills.currencies[one])) for one in offered]
