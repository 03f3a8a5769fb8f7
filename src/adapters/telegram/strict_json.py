"""JSON as it comes from outside: nothing in it is guessed, and a doubled key is told of instead of one value lost."""

import json
from dataclasses import dataclass
from typing import Any, NoReturn


class NotJson(ValueError):
    """Bytes that are no JSON, or none that we take: not UTF-8, NaN, too deep, a number of thousands of digits."""


@dataclass(frozen=True, slots=True)
class Document:
    """A value, and whether any object in it had a key twice: then nobody can say what it means."""

    value: Any
    doubled: bool


def parse(body: bytes | str) -> Document:
    """Raises NotJson."""
    doubled = False

    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal doubled
        collected = dict(pairs)
        if len(collected) != len(pairs):
            doubled = True
        if "".join(collected).isascii():
            return collected
        # Half a surrogate pair as a key would stop whoever reads its neighbours; we name no field so.
        return {key: value for key, value in collected.items() if _encodable(key)}

    try:
        # Decoded here: json.loads would take UTF-16 and lone surrogates too.
        text = body.decode("utf-8") if isinstance(body, bytes) else body
        value = json.loads(text, object_pairs_hook=collect, parse_constant=_refuse)
    except (ValueError, RecursionError) as problem:
        raise NotJson(_in_words(problem)) from None
    return Document(value, doubled)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def _encodable(key: str) -> bool:
    try:
        key.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _in_words(problem: Exception) -> str:
    # The decoder's own words may quote the input: they stay here.
    if isinstance(problem, UnicodeDecodeError):
        return "not UTF-8"
    if isinstance(problem, RecursionError):
        return "nested too deep"
    return "not JSON"
