"""Our signature."""

from abc import abstractmethod
from typing import Protocol

from domain.passport import Passport, Revocations


class PassportSigner(Protocol):
    """Our signature under what others check without us. Raises Unavailable where no key may sign now."""

    @abstractmethod
    def passport(self, passport: Passport) -> str:
        """The passport as a signed token."""

    @abstractmethod
    def revocations(self, revocations: Revocations) -> str:
        """The list as a signed token, which passes for no passport."""
