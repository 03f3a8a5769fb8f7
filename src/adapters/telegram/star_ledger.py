"""Telegram's own list of a bot's Stars, and what an entry of it says.

https://core.telegram.org/bots/api#startransaction: a refund bears the id of its charge and has a receiver instead of a
source, so that an entry is known by its id and its direction.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from adapters.telegram.bot_api import BotApiError
from adapters.telegram.calls import Bot, Call
from adapters.telegram.wire import Seconds, UserNumber
from application.ports.inbox import Report, Source
from application.ports.ledgers import LedgerEntry, LedgerPage, StarLedger
from domain.catalog import Method
from domain.errors import ProviderUnavailable
from domain.ids import BotName, ChargeId, UserId
from domain.money import STARS, Money
from domain.payment import Charge, Provider, Refund

LARGEST_PAGE = 100
INVOICE = "invoice_payment"


class _User(msgspec.Struct):
    id: UserNumber


class _Partner(msgspec.Struct):
    type: str
    transaction_type: str = INVOICE
    user: _User | None = None
    invoice_payload: str = ""


class _Transaction(msgspec.Struct):
    id: str
    amount: int
    date: Seconds
    source: _Partner | None = None
    receiver: _Partner | None = None


class _Page(msgspec.Struct):
    transactions: list[dict[str, Any]]


class _Balance(msgspec.Struct):
    amount: int


@dataclass(frozen=True, slots=True)
class BotApiStarLedger(StarLedger):
    bots: Mapping[BotName, Bot]

    def page(self, bot: BotName, offset: int) -> LedgerPage:
        answer = self._ask(bot, Call("getStarTransactions", {"offset": offset, "limit": LARGEST_PAGE}), _Page)
        entries = tuple(_entry(msgspec.json.encode(told), bot) for told in answer.transactions)
        return LedgerPage(entries=entries, next_from=offset + len(entries) if len(entries) == LARGEST_PAGE else None)

    def balance(self, bot: BotName) -> int:
        balance: _Balance = self._ask(bot, Call("getMyStarBalance", {}), _Balance)
        return balance.amount

    def _ask(self, bot: BotName, call: Call, kind: Any) -> Any:
        if (known := self.bots.get(bot)) is None:
            raise ProviderUnavailable(f"There is no bot {bot!r}.")
        try:
            return msgspec.convert(known.call(call), kind)
        except (BotApiError, msgspec.ValidationError) as problem:
            raise ProviderUnavailable(f"Telegram did not give its list of Stars ({problem}).") from None


def read_transaction(body: bytes, bot: BotName) -> Charge | Refund | None:
    """What an entry tells: money that came for an invoice, money that went back, or (None) nothing that we sell.

    Raises ValueError for what can't be read.
    """
    entry = msgspec.json.decode(body, type=_Transaction)
    partner = entry.source or entry.receiver
    if partner is None or partner.type != "user" or partner.user is None or partner.transaction_type != INVOICE:
        return None
    at = datetime.fromtimestamp(entry.date, UTC)
    if entry.source is None:
        return Refund(
            provider=Provider.TELEGRAM,
            charge_id=ChargeId(entry.id),
            bot=bot,
            refunded=Money(amount=entry.amount, currency=STARS),
            payload=partner.invoice_payload,
            refunded_at=at,
            message=body,
        )
    return Charge(
        provider=Provider.TELEGRAM,
        charge_id=ChargeId(entry.id),
        provider_charge_id="",
        bot=bot,
        payer=UserId(partner.user.id),
        paid=Money(amount=entry.amount, currency=STARS),
        method=Method.STARS,
        payload=partner.invoice_payload,
        charged_at=at,
        message=body,
    )


def _entry(body: bytes, bot: BotName) -> LedgerEntry:
    report = Report(source=Source.STAR_TRANSACTION, bot=bot, body=body)
    try:
        return LedgerEntry(report=report, content=read_transaction(body, bot), stars=_stars(body))
    except ValueError:
        return LedgerEntry(report=report, content=None, stars=0, readable=False)


def _stars(body: bytes) -> int:
    """What the entry adds to the balance, in whole Stars."""
    entry = msgspec.json.decode(body, type=_Transaction)
    return entry.amount if entry.source is not None else -entry.amount
