"""Parameters of a call, read with Stripe's checks and in Stripe's words."""

import re
from collections.abc import Collection
from typing import Any

from entrypoints.sandbox.stripe.refusal import Refused, missing_parameter

MOST_METADATA = 50
LONGEST_METADATA_KEY = 40
LONGEST_METADATA_VALUE = 500
_URL = re.compile(r"https?://[^\s/?#]+\S*", re.IGNORECASE)


class Parameters:
    """`at` is the name of the parameter that these lie inside of."""

    def __init__(self, values: dict[str, Any], at: str = "") -> None:
        self.values = values
        self.at = at

    def name(self, name: str) -> str:
        """As Stripe writes it in its answers: `line_items[0][price_data]`."""
        return f"{self.at}[{name}]" if self.at else name

    def only(self, names: Collection[str]) -> None:
        for name in self.values:
            if name not in names and name != "expand":
                full = self.name(name)
                raise Refused(f"Received unknown parameter: {full}", code="parameter_unknown", param=full)

    def text(self, name: str, *, longest: int = 5000) -> str | None:
        value = self.values.get(name)
        if value is None:
            return None
        full = self.name(name)
        if not isinstance(value, str):
            raise Refused(f"Invalid string: {full}", param=full)
        if not value:
            raise Refused(
                f"You passed an empty string for '{full}'. We assume empty values are an attempt to unset a parameter; "
                f"however '{full}' cannot be unset. You should remove '{full}' from your request or supply a "
                "non-empty value.",
                code="parameter_invalid_empty",
                param=full,
            )
        if len(value) > longest:
            raise Refused(f"Invalid string: {full} must be at most {longest} characters", param=full)
        return value

    def required(self, name: str) -> str:
        value = self.text(name)
        if value is None:
            raise missing_parameter(self.name(name))
        return value

    def url(self, name: str) -> str | None:
        value = self.text(name)
        if value is not None and _URL.fullmatch(value) is None:
            raise Refused("Not a valid URL", code="url_invalid", param=self.name(name))
        return value

    def integer(self, name: str, *, at_least: int | None = None) -> int | None:
        value = self.text(name)
        if value is None:
            return None
        full = self.name(name)
        try:
            number = int(value)
        except ValueError:
            raise Refused(f"Invalid integer: {value}", code="parameter_invalid_integer", param=full) from None
        if at_least is not None and number < at_least:
            raise Refused(
                f"This value must be greater than or equal to {at_least}.",
                code="parameter_invalid_integer",
                param=full,
            )
        return number

    def one_of(self, name: str, *choices: str) -> str | None:
        value = self.text(name)
        if value is not None and value not in choices:
            raise Refused(f"Invalid {self.name(name)}: must be one of {', '.join(choices)}", param=self.name(name))
        return value

    def inside(self, name: str) -> "Parameters | None":
        value = self.values.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, dict):
            raise Refused("Invalid object", param=self.name(name))
        return Parameters(value, self.name(name))

    def each(self, name: str) -> "list[Parameters]":
        inside = self.inside(name)
        if inside is None:
            return []
        found: list[Parameters] = []
        for key in sorted(inside.values, key=_index):
            item = inside.inside(key)
            if item is None or not key.isdecimal():
                raise Refused("Invalid array", param=self.name(name))
            item.at = f"{self.name(name)}[{len(found)}]"
            found.append(item)
        return found

    def texts(self, name: str) -> list[str]:
        inside = self.inside(name)
        if inside is None:
            return []
        return [inside.required(key) for key in sorted(inside.values, key=_index)]

    def metadata(self, name: str = "metadata") -> dict[str, str]:
        """An empty value unsets its key, so on creation it is not there."""
        inside = self.inside(name)
        if inside is None:
            return {}
        kept: dict[str, str] = {}
        for key, value in inside.values.items():
            if not isinstance(value, str):
                raise Refused("Invalid string: metadata values are strings", param=inside.name(key))
            if len(key) > LONGEST_METADATA_KEY:
                raise Refused(
                    f"Metadata keys can have up to {LONGEST_METADATA_KEY} characters, "
                    f"but you passed in a key that is {len(key)} characters. Invalid key: {key}",
                    param=self.name(name),
                )
            if len(value) > LONGEST_METADATA_VALUE:
                raise Refused(
                    f"Metadata values can have up to {LONGEST_METADATA_VALUE} characters, "
                    f"but you passed in a value that is {len(value)} characters. Invalid value: {value}",
                    param=self.name(name),
                )
            if value:
                kept[key] = value
        if len(kept) > MOST_METADATA:
            raise Refused(f"You can only set up to {MOST_METADATA} metadata keys", param=self.name(name))
        return kept


def _index(key: str) -> tuple[int, str]:
    return (int(key), "") if key.isdecimal() else (0, key)
