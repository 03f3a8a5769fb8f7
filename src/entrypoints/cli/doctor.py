"""`tollgram doctor`: what is wrong, and how to mend it."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

import msgspec
import rich_click as click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adapters.catalog_file import CatalogError, read_catalog
from adapters.sql.engine import open_engine
from adapters.sql.gauges import SqlGauges
from adapters.telegram.bot_api import BotApi, BotApiError
from adapters.telegram.webhook import ALLOWED_UPDATES, BotApiWebhook
from domain.catalog import Catalog
from domain.ids import BotName
from domain.money import STARS
from entrypoints.cli.failure import FAILED, WORKED
from entrypoints.cli.webhook import webhook_address
from entrypoints.http.operations import Readiness
from entrypoints.settings import TELEGRAM_API, Settings, SettingsError


class Verdict(StrEnum):
    GOOD = "good"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """`remedy` is empty where nothing is to be done."""

    verdict: Verdict
    subject: str
    finding: str
    remedy: str = ""


_MARKS = {
    Verdict.GOOD: Text("ok", style="green"),
    Verdict.WARNING: Text("look", style="yellow"),
    Verdict.WRONG: Text("wrong", style="bold red"),
}


def doctor(*, as_json: bool) -> int:
    """Look at everything, show it, and give 1 where something is wrong."""
    findings = list(_examine())
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(findings), indent=2).decode())
    else:
        table = Table(box=None, pad_edge=False, show_header=False)
        for finding in findings:
            words = Text(finding.finding)
            if finding.remedy:
                words.append(f"\n{finding.remedy}", style="dim")
            table.add_row(_MARKS[finding.verdict], finding.subject, words)
        Console().print(table)
    return FAILED if any(finding.verdict is Verdict.WRONG for finding in findings) else WORKED


def _examine() -> Iterator[Finding]:
    try:
        settings = Settings.load(serving=True)
    except SettingsError as error:
        for problem in error.problems:
            name, _, what = problem.partition(": ")
            yield Finding(Verdict.WRONG, "settings", f"{name} {what}", "Set it in the environment or in .env.")
        return
    yield Finding(Verdict.GOOD, "settings", "complete")
    database = SqlGauges(open_engine(settings.database_url))
    missing = Readiness(database.schema_revision, database.expected_revision).missing()
    for problem in missing:
        yield Finding(Verdict.WRONG, "database", problem, "Is DATABASE_URL right?")
    if not missing:
        yield Finding(Verdict.GOOD, "database", "reachable, and at the newest schema")
    try:
        catalog = read_catalog(settings.catalog_path)
    except CatalogError as error:
        for mistake in error.mistakes:
            yield Finding(Verdict.WRONG, "catalog", mistake, f"Mend {error.path}.")
    else:
        yield Finding(Verdict.GOOD, "catalog", f"{len(catalog.plans)} plans")
        yield from _selling(settings, catalog)
    for name, token in settings.bot_tokens.items():
        yield from _bot(settings, name, BotApi(token, base=settings.telegram_api_base))


def _selling(settings: Settings, catalog: Catalog) -> Iterator[Finding]:
    if not settings.telegram_payment_enabled:
        yield Finding(Verdict.WARNING, "methods", "Telegram's methods are switched off by TELEGRAM_PAYMENT_ENABLED")
    priced = {currency for plan in catalog.plans.values() for currency in plan.prices}
    for plan in catalog.plans.values():
        if STARS not in plan.prices and not settings.provider_token:
            yield Finding(Verdict.WARNING, "methods", f"{plan.code} can't be bought by any method", "Price it in XTR.")
    if settings.provider_token and settings.payment_currency in priced:
        yield Finding(
            Verdict.WARNING,
            "methods",
            "Telegram's rule: digital goods are sold for Stars, provider tokens are for physical goods",
            "Leave TELEGRAM_PAYMENT_PROVIDER_TOKEN empty unless you know that your goods may be sold so.",
        )
    if not settings.support_contact:
        yield Finding(
            Verdict.WARNING,
            "support",
            "/paysupport names nobody to write to",
            "Set SUPPORT_CONTACT, as in @your_name.",
        )


def _bot(settings: Settings, name: BotName, bot: BotApi) -> Iterator[Finding]:
    subject = f"bot {name}"
    webhook = BotApiWebhook(bot)
    try:
        me, info = webhook.get_me(), webhook.info()
    except BotApiError as problem:
        yield Finding(Verdict.WRONG, subject, str(problem), "Is the token right, and is Telegram reachable from here?")
        return
    yield Finding(Verdict.GOOD, subject, f"known to Telegram as @{me.username}")
    expected = webhook_address(settings, name)
    set_it = "Run: tollgram webhook set"
    if settings.telegram_api_base == TELEGRAM_API and urlsplit(settings.public_url).scheme != "https":
        yield Finding(
            Verdict.WRONG, subject, "PUBLIC_URL is no https:// address; Telegram can't deliver", "Set PUBLIC_URL."
        )
    elif not info.url:
        yield Finding(Verdict.WRONG, subject, "no webhook is set, so no payment is ever reported", set_it)
    elif info.url != expected:
        yield Finding(Verdict.WRONG, subject, f"the webhook leads to {info.url}, not to {expected}", set_it)
    elif missing := set(ALLOWED_UPDATES) - set(info.allowed_updates):
        yield Finding(Verdict.WRONG, subject, f"Telegram leaves out {', '.join(sorted(missing))}", set_it)
    else:
        yield Finding(Verdict.GOOD, subject, f"updates go to {info.url}")
    if info.last_error_message and info.pending_update_count:
        yield Finding(
            Verdict.WARNING,
            subject,
            f"{info.pending_update_count} updates wait; Telegram says: {info.last_error_message}",
            "Is the service running, and does it hold the secret that was set with the webhook?",
        )
