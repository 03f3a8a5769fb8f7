"""A call of the Bot API before it is made, and who makes it."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Call:
    """`parameters` are what JSON can hold; https://core.telegram.org/bots/api#available-methods.

    What is said once under a `key` is not said again, where the transport can tell; empty for what needs none.
    """

    method: str
    parameters: Mapping[str, Any]
    key: str = ""

    def __repr__(self) -> str:
        """Without values: one of them may be a secret."""
        return f"Call({self.method}: {', '.join(self.parameters)})"


class Bot(Protocol):
    """One bot, by whatever transport: it carries out calls, from any thread."""

    @property
    @abstractmethod
    def id(self) -> int:
        """The bot's user id."""

    @abstractmethod
    def call(self, call: Call) -> Any:
        """What the Bot API would answer as `result`. Raises Refused or Unreachable."""

    @abstractmethod
    def close(self) -> None: ...
