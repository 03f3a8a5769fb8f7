"""How it stands at this moment: figures, and of these whatever a person should look at, with the way to it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from adapters.sql.gauges import SqlGauges
from adapters.sql.queues import SqlQueues
from application.figures import Overview, ShowOverview
from application.ports.ledgers import LedgerMark
from application.reconciliation import STRIPE
from domain.invoice import Objection
from domain.money import STARS, written
from entrypoints.console.channels import Channels
from entrypoints.console.wording import lasting, number
from entrypoints.event_webhooks import shown
from entrypoints.settings import Settings

SLOW_AFTER: Final = timedelta(minutes=5)
"""What waits for longer than that to be sent, dealt with or compared is worth a look."""
HANGS_AFTER: Final = timedelta(hours=3)
"""Stripe may take its time over a refund, and is asked once an hour."""
LOOKED_BACK: Final = timedelta(days=7)
UNREAD_AFTER: Final = 10
"""So many rounds of reconciliation may be missed."""
WAITS: Final = "/console/system#waits"
LEDGERS: Final = "/console/system#ledgers"
DOCTOR: Final = "/console/system#doctor"
ASKED: Final = "/console/payments#asked-title"


@dataclass(frozen=True, slots=True, kw_only=True)
class TodayDesk:
    """What the page is read from."""

    show: ShowOverview
    gauges: SqlGauges
    queues: SqlQueues
    settings: Settings
    channels: Channels


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


def worries(seen: Overview, desk: TodayDesk) -> Iterator[Worry]:
    """Whatever a person should look at, what matters most first."""
    for channel in desk.channels.at(seen.at):
        if channel.worry:
            yield Worry(said=channel.worry, href=DOCTOR, does="Ask the doctor")
    standing = seen.standing
    if held := sum(standing.quarantined.values()):
        since = (
            f", the oldest for {lasting(seen.at - standing.quarantined_since)}" if standing.quarantined_since else ""
        )
        yield Worry(
            said=f"{_many(held, 'payment waits', 'payments wait')} for a decision of yours{since}.",
            href="/console/quarantine",
            does="Decide",
        )
    if asked := standing.refunds_asked:
        since = (
            f", the oldest for {lasting(seen.at - standing.refunds_asked_since)}"
            if standing.refunds_asked_since
            else ""
        )
        yield Worry(
            said=f"{_many(asked, 'refund waits', 'refunds wait')} for a second operator{since}.",
            href=ASKED,
            does="Approve or decline",
        )
    yield from _of_ledgers(seen, desk)
    yield from _of_what_waits(seen, desk)
    yield from _of_endpoints(seen.at, desk)


def not_known(seen: Overview, desk: TodayDesk) -> list[str]:
    """What nobody can say yet, each as the end of "nobody knows"."""
    return [
        *(f"whether the updates of {one.bot} come to us" for one in desk.channels.at(seen.at) if not one.known),
        *(
            f"whether the ledger of {_whose(name)} agrees with our books"
            for name, mark in _ledgers(seen, desk.settings).items()
            if desk.settings.reconcile_every and (mark is None or mark.whole_read_at is None)
        ),
    ]


def tiles(seen: Overview, desk: TodayDesk) -> Iterator[Tile]:
    standing, now = seen.standing, seen.at
    held = sum(standing.quarantined.values())
    yield Tile(
        title="In quarantine now",
        value=number(held),
        beside=_oldest(standing.quarantined_since, now, "nothing waits for a person"),
        href="/console/quarantine",
        tone="waits" if held else "",
    )
    given_up = desk.queues.letters_given_up(now - LOOKED_BACK)
    yield Tile(
        title="Messages to send",
        value=number(standing.outbox_pending),
        beside=_oldest(
            standing.outbox_since,
            now,
            f"{number(given_up)} of the last 7 days given up" if given_up else "all are sent",
        ),
        href=WAITS,
    )
    yield Tile(
        title="Refunds under way",
        value=number(standing.refunds_pending),
        beside="until the provider confirms" if standing.refunds_pending else "none waits for its provider",
        href="/console/payments?status=refund_pending",
    )
    held_back = standing.quarantined.get(Objection.UNKNOWN_TO_PROVIDER, 0)
    missing = standing.unconfirmed + held_back
    yield Tile(
        title="In no ledger",
        value=number(missing),
        beside=f"{number(standing.unconfirmed)} of the last 7 days, {number(held_back)} in quarantine for it"
        if missing
        else "payments of the last 7 days, and in quarantine",
        href=_unconfirmed(now),
        tone="waits" if missing else "",
    )
    for name, mark in _ledgers(seen, desk.settings).items():
        yield _ledger_tile(name, mark, now)
    for channel in desk.channels.at(now):
        yield Tile(
            title=f"Updates of {channel.bot}",
            value=channel.value,
            beside=channel.beside,
            href=DOCTOR,
            tone="bad" if channel.worry else "" if channel.known else "waits",
        )
    heard = desk.gauges.heard_at()
    yield Tile(
        title="Heard from Telegram",
        value=f"{lasting(now - heard)} ago" if heard else "–",
        beside="a message or a pressed button" if heard else "no message in the last days",
    )


def _of_ledgers(seen: Overview, desk: TodayDesk) -> Iterator[Worry]:
    standing, now = seen.standing, seen.at
    ledgers = _ledgers(seen, desk.settings)
    for name, mark in ledgers.items():
        if mark and mark.drift:
            said = f"The balance of {_whose(name)} has {written(mark.drift, STARS)} less than its ledger says."
            yield Worry(said=said, href=LEDGERS, does="Look what it means")
        if mark and mark.other_facts:
            payments = _many(mark.other_facts, "payment", "payments")
            said = f"The ledger of {_whose(name)} tells other facts of {payments} than our books."
            yield Worry(said=said, href=LEDGERS, does="Look what it means")
    held_back = standing.quarantined.get(Objection.UNKNOWN_TO_PROVIDER, 0)
    never_seen = sum(mark.unknown_to_provider or 0 for mark in ledgers.values() if mark)
    if standing.unconfirmed:
        payments = _many(standing.unconfirmed, "payment", "payments")
        said = f"No provider's ledger has {payments} of the last week, beside those in quarantine for it."
        yield Worry(said=said, href=_unconfirmed(now), does="Look at them")
    elif never_seen > held_back:
        payments = _many(never_seen, "payment", "payments")
        said = f"No provider's ledger had {payments} of ours when all of it was read."
        yield Worry(said=said, href="/console/payments?unconfirmed=yes&sort=oldest", does="Look at them")
    for name, mark in ledgers.items():
        if _unread(mark, seen, desk):
            when = (
                "not compared with our books lately" if mark and mark.tail_read_at else "never compared with our books"
            )
            yield Worry(said=f"The ledger of {_whose(name)} was {when}.", href=LEDGERS, does="Look why")


def _of_what_waits(seen: Overview, desk: TodayDesk) -> Iterator[Worry]:
    now, standing, gauges = seen.at, seen.standing, desk.gauges
    if failed := desk.queues.refunds_failed(now - LOOKED_BACK):
        refunds = _many(failed, "refund", "refunds")
        said = f"{refunds} of the last week failed: the money is still here."
        yield Worry(said=said, href=WAITS, does="Look why")
    if (ordered := desk.queues.refunds_oldest(now)) and ordered > HANGS_AFTER:
        said = f"A refund was ordered {lasting(ordered)} ago, and its provider has not confirmed it."
        yield Worry(said=said, href="/console/payments?status=refund_pending&sort=oldest", does="Look at it")
    if standing.outbox_since and now - standing.outbox_since > SLOW_AFTER:
        said = f"A message to a user waits for {lasting(now - standing.outbox_since)} to be sent."
        yield Worry(said=said, href=WAITS, does="Look at the messages")
    if (oldest := gauges.inbox_oldest(now)) and oldest > SLOW_AFTER:
        said = f"A report of Telegram or Stripe waits for {lasting(oldest)} to be dealt with."
        yield Worry(said=said, href=WAITS, does="Look at the reports")
    if given_up := gauges.inbox_given_up():
        reports = _many(given_up, "report", "reports")
        said = f"{reports} of Telegram or Stripe could not be understood; tollgram reconcile tries anew."
        yield Worry(said=said, href=WAITS, does="Look at the reports")


def _of_endpoints(now: datetime, desk: TodayDesk) -> Iterator[Worry]:
    for endpoint in desk.settings.event_endpoints:
        failing = desk.queues.endpoint_failing(endpoint.id, now)
        if desk.gauges.endpoint(endpoint.id, now).disabled:
            said = f"Events are no longer pushed to {shown(endpoint)}."
        elif failing and failing > SLOW_AFTER:
            said = f"{shown(endpoint)} has taken no event for {lasting(failing)}, and is tried again."
        else:
            continue
        yield Worry(said=said, href=f"/console/events/{endpoint.id}", does="Look why")


def _ledgers(seen: Overview, settings: Settings) -> dict[str, LedgerMark | None]:
    """Those that must be read: of a bot that is gone, nobody reads any more."""
    stars = [f"stars:{bot}" for bot in settings.bot_tokens] if settings.telegram_payment_enabled else []
    needed = [*sorted(stars), *([STRIPE] if settings.stripe_secret_key else [])]
    return {name: seen.standing.ledgers.get(name) for name in needed}


def _unread(mark: LedgerMark | None, seen: Overview, desk: TodayDesk) -> bool:
    late = max(UNREAD_AFTER * desk.settings.reconcile_every, SLOW_AFTER)
    last = mark and mark.tail_read_at
    return bool(desk.settings.reconcile_every) and seen.at - (last or desk.channels.started_at) > late


def _ledger_tile(name: str, mark: LedgerMark | None, now: datetime) -> Tile:
    found = "never read to its beginning"
    if mark and mark.whole_read_at:
        drift = "" if mark.drift is None else f"drift {written(mark.drift, STARS)}, "
        other = f"{number(mark.other_facts or 0)} other than ours"
        found = f"{drift}{other} when all of it was read, {lasting(now - mark.whole_read_at)} ago"
    return Tile(
        title=f"Ledger of {_whose(name)} compared",
        value=f"{lasting(now - mark.tail_read_at)} ago" if mark and mark.tail_read_at else "never",
        beside=found,
        href=LEDGERS,
        tone="bad" if mark and (mark.drift or mark.other_facts) else "",
    )


def _whose(ledger: str) -> str:
    """stars:main is that of main."""
    kind, _, bot = ledger.partition(":")
    return bot if kind == "stars" else "Stripe"


def _unconfirmed(now: datetime) -> str:
    return f"/console/payments?unconfirmed=yes&since={now - LOOKED_BACK:%Y-%m-%d}"


def _oldest(since: datetime | None, now: datetime, otherwise: str) -> str:
    return f"the oldest for {lasting(now - since)}" if since else otherwise


def _many(count: int, one: str, more: str) -> str:
    return f"1 {one}" if count == 1 else f"{number(count)} {more}"
