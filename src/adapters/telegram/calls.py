"""A call of the Bot API before it is made."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """`parameters` are what JSON can hold; https://core.telegram.org/bots/api#available-methods."""

    method: str
    parameters: Mapping[str, Any]

    def __repr__(self) -> str:
        """Without values: one of them may be a secret."""
        return f"Call({self.method}: {', '.join(self.parameters)})"
