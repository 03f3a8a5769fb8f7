"""Ids that nobody can guess, and that a database likes: they begin with the time."""

import secrets
import time

from application.ports.surroundings import Ids
from domain.ids import EntitlementId, InvoiceId, PassportId, PaymentId


class RandomIds(Ids):
    """48 bits of milliseconds, so that new rows lie side by side in an index, and 80 bits of the system's random."""

    def invoice(self) -> InvoiceId:
        return InvoiceId(f"inv_{_id()}")

    def payment(self) -> PaymentId:
        return PaymentId(f"pay_{_id()}")

    def entitlement(self) -> EntitlementId:
        return EntitlementId(f"ent_{_id()}")

    def passport(self) -> PassportId:
        return PassportId(f"pas_{_id()}")


def _id() -> str:
    return f"{time.time_ns() // 1_000_000 & (1 << 48) - 1:012x}{secrets.token_hex(10)}"
