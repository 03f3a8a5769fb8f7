"""`tollgram catalog check`."""

from pathlib import Path
from typing import Any

from rich.table import Table

from adapters.catalog_file import CatalogError, read_catalog
from domain.catalog import Catalog, Plan
from domain.money import STARS, Money
from entrypoints.cli.failure import FAILED, WORKED
from entrypoints.cli.terminal import say, show_json, show_table, tell
from entrypoints.settings import Settings


def check(path: Path | None, *, as_json: bool) -> int:
    """Show the plans, or every mistake with its place."""
    path = path or Settings.load().catalog_path
    try:
        catalog = read_catalog(path)
    except CatalogError as error:
        if as_json:
            show_json({"file": str(path), "plans": [], "mistakes": error.mistakes})
            return FAILED
        for mistake in error.mistakes:
            tell(f"{path}: {mistake}")
        say(f"{_counted(len(error.mistakes), 'mistake')}. A service that runs goes on with what it has read.", err=True)
        return FAILED
    if as_json:
        plans = [_in_json(plan) for plan in catalog.plans.values()]
        show_json({"file": str(path), "plans": plans, "mistakes": []})
        return WORKED
    show_table(_listed(catalog))
    say(f"{path}: {_counted(len(catalog.plans), 'plan')}, no mistakes.")
    return WORKED


def _listed(catalog: Catalog) -> Table:
    """One column a currency, Stars last, so that amounts stand under each other."""
    priced = {currency for plan in catalog.plans.values() for currency in plan.prices}
    currencies = sorted(priced, key=lambda currency: (currency == STARS, currency))
    table = Table("plan", "title", "duration", box=None, pad_edge=False)
    for currency in currencies:
        table.add_column(currency, justify="right")
    table.add_column("opens")
    for plan in catalog.plans.values():
        prices = [
            str(Money(amount=plan.prices[currency], currency=currency)) if currency in plan.prices else "–"
            for currency in currencies
        ]
        table.add_row(plan.code, plan.title, str(plan.duration), *prices, ", ".join(plan.features))
    return table


def _in_json(plan: Plan) -> dict[str, Any]:
    """`prices` are as the catalog has them, in minor units: which method takes them is for the settings to say."""
    return {
        "plan_code": plan.code,
        "title": plan.title,
        "description": plan.description,
        "features": plan.features,
        "limits": dict(plan.limits),
        "duration": str(plan.duration),
        "prices": dict(plan.prices),
    }


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
