"""Arguments of a Bot API call: JSON, form or query, all read as texts first, as the real server does."""

from collections.abc import Mapping
from typing import Any

import msgspec

from entrypoints.sandbox.refusal import bad_request

INT64 = 2**63


class Arguments:
    """Case of names matters. A JSON argument may come as JSON or as a text that holds JSON."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.given = dict(values)
        self.values = {name: _as_text(value) for name, value in values.items() if value is not None}

    def text(self, name: str) -> str:
        return self.values.get(name, "")

    def required(self, name: str) -> str:
        if not (value := self.text(name)):
            raise bad_request(f'parameter "{name}" is required')
        return value

    def integer(self, name: str, default: int = 0, *, at_least: int = -INT64, at_most: int = INT64) -> int:
        """Kept within bounds instead of refused, like the server's get_integer_arg."""
        try:
            value = int(self.text(name))
        except ValueError:
            value = default
        return max(at_least, min(at_most, value))

    def flag(self, name: str) -> bool:
        return self.text(name).lower() in {"true", "yes", "1"}

    def json(self, name: str, what: str) -> Any:
        """None where it is missing; `what` names it in the refusal."""
        if not (value := self.text(name)):
            return None
        try:
            return msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise bad_request(f"can't parse {what} JSON object") from None

    def view(self) -> dict[str, Any]:
        """For the log: as it was given, but a text that holds JSON shown as JSON."""
        shown: dict[str, Any] = {}
        for name, value in self.given.items():
            if isinstance(value, str) and value.startswith(("[", "{")):
                try:
                    shown[name] = msgspec.json.decode(value)
                    continue
                except (msgspec.DecodeError, RecursionError):
                    pass
            shown[name] = value
        return shown


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()
