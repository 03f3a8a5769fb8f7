"""The signed payload that travels with an invoice through Telegram and comes back with the money.

    t1.<plan code>.<base64url of: invoice id 16, issued at 5, user 7, amount 7 bytes, currency 3 letters>.<MAC>

At most 118 ASCII bytes, of Telegram's 128. The MAC covers all of it and the bot, so that a payload of one bot is
worth nothing at another. All times are whole seconds, UTC.
"""

import binascii
import hashlib
import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from domain.ids import MAX_USER_ID, BotName, InvoiceId, PlanCode, UserId
from domain.invoice import Terms
from domain.money import Money

MIN_KEY_BYTES = 32
_MAC_BYTES = 16
_WRITTEN = re.compile(r"t1\.([a-z0-9_]{1,40})\.([A-Za-z0-9_-]{51})\.([A-Za-z0-9_-]{22})", re.ASCII)


class BadPayload(ValueError):
    """A payload that is malformed or was not signed by us for this bot."""


@dataclass(frozen=True, slots=True)
class PayloadSigner:
    """Signs with the first key and believes all of them, so that keys can be rotated while invoices are open."""

    keys: Sequence[bytes]

    def __post_init__(self) -> None:
        if not self.keys or any(len(key) < MIN_KEY_BYTES for key in self.keys):
            raise ValueError(f"at least one signing key is needed, each of at least {MIN_KEY_BYTES} bytes")

    def sign(self, terms: Terms, bot: BotName) -> str:
        """The payload of an invoice, as ASCII text."""
        facts = (
            bytes.fromhex(terms.invoice_id.removeprefix("inv_"))
            + int(terms.issued_at.timestamp()).to_bytes(5)
            + terms.payer.to_bytes(7)
            + terms.price.amount.to_bytes(7)
            + terms.price.currency.encode("ascii")
        )
        signed = f"t1.{terms.plan_code}.{_text(facts)}"
        return f"{signed}.{_text(_mac(self.keys[0], bot, signed))}"

    def verify(self, payload: str, bot: BotName) -> Terms:
        """What we once signed for this bot. Raises BadPayload for anything else."""
        written = _WRITTEN.fullmatch(payload)
        if written is None:
            raise BadPayload("malformed")
        signed, mac = payload.rsplit(".", 1)
        # Compared as text: the spare bits of the last base64 letter must not make a second form of one payload.
        good = [hmac.compare_digest(_text(_mac(key, bot, signed)), mac) for key in self.keys]
        if not any(good):
            raise BadPayload("not signed by us for this bot")
        return _terms(PlanCode(written[1]), written[2])


def _terms(plan_code: PlanCode, text: str) -> Terms:
    try:
        facts = urlsafe_b64decode(text + "=")
        payer = int.from_bytes(facts[21:28])
        if not 0 < payer <= MAX_USER_ID:
            raise BadPayload("no user id")
        return Terms(
            invoice_id=InvoiceId(f"inv_{facts[:16].hex()}"),
            plan_code=plan_code,
            issued_at=datetime.fromtimestamp(int.from_bytes(facts[16:21]), UTC),
            payer=UserId(payer),
            price=Money(amount=int.from_bytes(facts[28:35]), currency=facts[35:38].decode("ascii")),
        )
    except (ValueError, OverflowError, binascii.Error) as problem:
        raise BadPayload("signed, but not readable") from problem


def _mac(key: bytes, bot: BotName, signed: str) -> bytes:
    return hmac.digest(key, f"{bot}\n{signed}".encode(), hashlib.sha256)[:_MAC_BYTES]


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
