"""Ids that nobody can guess, and that a database likes: they begin with the time."""

import os
import threading
import time
from typing import Final

from application.ports.surroundings import Ids
from domain.ids import EntitlementId, InvoiceId, PassportId, PaymentId

DRAWN_AT_ONCE: Final = 1024
"""Bytes. Each draw from the system lets go of Python, and then has to wait until it gets it back."""


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
    return f"{time.time_ns() // 1_000_000 & (1 << 48) - 1:012x}{random_hex(10)}"


class _Stock:
    """The system's random bytes. Each is handed out once, over all threads; a process that is forked off begins with
    none."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self._lock = threading.Lock()
        self._left = b""

    def take(self, size: int) -> bytes:
        with self._lock:
            if len(self._left) < size:
                self._left = os.urandom(max(size, DRAWN_AT_ONCE))
            taken, self._left = self._left[:size], self._left[size:]
        return taken


_STOCK: Final = _Stock()
os.register_at_fork(after_in_child=_STOCK.forget)


def random_hex(size: int) -> str:
    """So many bytes that nobody can guess, as twice as many hexadecimal digits."""
    return _STOCK.take(size).hex()
