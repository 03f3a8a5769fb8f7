"""`tollgram catalog check`."""

from pathlib import Path

import rich_click as click
from rich.console import Console
from rich.table import Table

from adapters.catalog_file import CatalogError, read_catalog
from domain.money import Money
from entrypoints.cli.failure import FAILED, WORKED
from entrypoints.settings import Settings


def check(path: Path | None) -> int:
    """Show the plans, or every mistake with its place."""
    path = path or Settings.load().catalog_path
    try:
        catalog = read_catalog(path)
    except CatalogError as error:
        for mistake in error.mistakes:
            click.secho(f"{path}: {mistake}", err=True, fg="red")
        click.echo(f"{len(error.mistakes)} to mend; nothing was changed.", err=True)
        return FAILED
    table = Table("plan", "title", "duration", "prices", "opens", box=None, pad_edge=False)
    for plan in catalog.plans.values():
        prices = ", ".join(str(Money(amount=amount, currency=code)) for code, amount in plan.prices.items())
        table.add_row(plan.code, plan.title, str(plan.duration), prices, ", ".join(plan.features))
    Console().print(table)
    click.echo(f"{path}: {len(catalog.plans)} plans, nothing to mend.")
    return WORKED
