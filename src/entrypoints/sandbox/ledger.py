"""The truth about money in the sandbox: each charge that was really made, and Telegram's list of Star transactions."""

import secrets
import time
from dataclasses import dataclass, field
from itertools import count

from entrypoints.sandbox.invoices import STARS
from entrypoints.sandbox.people import Bot, Json, User

LARGEST_PAGE = 100


@dataclass(slots=True, kw_only=True)
class Charge:
    """Money that moved. Forged payments never make one."""

    charge_id: str
    provider_charge_id: str
    bot_id: int
    user_id: int
    amount: int
    currency: str
    payload: str
    date: int
    chat_id: int
    message_id: int = 0
    update_id: int | None = None
    pre_checkout: str = "approved"
    """How it came about: approved, or skipped by a fault."""
    refunded_at: int | None = None
    charged_back_at: int | None = None

    def view(self) -> Json:
        return {name: getattr(self, name) for name in self.__slots__} | {"refunded": self.refunded_at is not None}


@dataclass(slots=True, kw_only=True)
class Transaction:
    """A line of Telegram's own ledger. A refund bears the id of its charge, in the other direction."""

    id: str
    bot_id: int
    amount: int
    date: int
    user: Json
    payload: str
    incoming: bool

    def wire(self) -> Json:
        partner: Json = {"type": "user", "transaction_type": "invoice_payment", "user": self.user}
        if self.incoming:
            partner["invoice_payload"] = self.payload
        return {
            "id": self.id,
            "amount": self.amount,
            "date": self.date,
            ("source" if self.incoming else "receiver"): partner,
        }


@dataclass(slots=True)
class Ledger:
    charges: dict[str, Charge] = field(default_factory=dict)
    transactions: list[Transaction] = field(default_factory=list)
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    def charge(
        self, *, bot: Bot, payer: User, amount: int, currency: str, payload: str, chat_id: int, pre_checkout: str
    ) -> Charge:
        number = next(self._numbers)
        if currency == STARS:
            charge_id, provider_charge_id = "stx" + secrets.token_urlsafe(66), f"{payer.id}_{number}"
        else:
            charge_id, provider_charge_id = f"{bot.id}_{payer.id}_{secrets.token_hex(8)}", f"ch_{secrets.token_hex(12)}"
        charge = Charge(
            charge_id=charge_id,
            provider_charge_id=provider_charge_id,
            bot_id=bot.id,
            user_id=payer.id,
            amount=amount,
            currency=currency,
            payload=payload,
            date=int(time.time()),
            chat_id=chat_id,
            pre_checkout=pre_checkout,
        )
        self.charges[charge_id] = charge
        if currency == STARS:
            payer.stars -= amount
            bot.stars += amount
            self._write(charge, payer, incoming=True)
        return charge

    def refund(self, charge: Charge, bot: Bot, payer: User) -> None:
        charge.refunded_at = int(time.time())
        if charge.currency == STARS:
            payer.stars += charge.amount
            bot.stars -= charge.amount
            self._write(charge, payer, incoming=False)

    def charge_back(self, charge: Charge, bot: Bot, payer: User, *, listed: bool) -> None:
        """An app store took the money back: no update tells, only the ledger or (`listed` false) the balance."""
        charge.charged_back_at = int(time.time())
        if charge.currency == STARS:
            bot.stars -= charge.amount
            if listed:
                self._write(charge, payer, incoming=False)

    def page(self, bot_id: int, offset: int, limit: int) -> list[Json]:
        """Oldest first, as getStarTransactions."""
        mine = [line for line in self.transactions if line.bot_id == bot_id]
        return [line.wire() for line in mine[offset : offset + limit]]

    def _write(self, charge: Charge, payer: User, *, incoming: bool) -> None:
        self.transactions.append(
            Transaction(
                id=charge.charge_id,
                bot_id=charge.bot_id,
                amount=charge.amount,
                date=int(time.time()),
                user=payer.wire(),
                payload=charge.payload,
                incoming=incoming,
            )
        )
