"""JSON as it comes from outside: nothing in it is guessed, and a doubled key is told of instead of one value lost."""

import json
import re
from dataclasses import dataclass
from typing import Any, Final, NoReturn


class NotJson(ValueError):
    """Bytes that are no JSON, or none that we take: not UTF-8, NaN, too deep, a number of thousands of digits."""


@dataclass(frozen=True, slots=True)
class Document:
    """A value, and whether any object in it had a key twice: then nobody can say what it means."""

    value: Any
    doubled: bool


def parse(body: bytes | str) -> Document:
    """Raises NotJson."""
    try:
        # Decoded here: json.loads would take UTF-16 and lone surrogates too.
        text = body.decode("utf-8") if isinstance(body, bytes) else body
        try:
            return Document(_ONCE.decode(text), doubled=False)
        except _Doubled:
            return Document(_LAST.decode(text), doubled=True)
    except (ValueError, RecursionError) as problem:
        raise NotJson(_in_words(problem)) from None


class _Doubled(Exception):
    """An object has a key twice."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    collected = dict(pairs)
    if len(collected) != len(pairs):
        raise _Doubled
    return _encodable(collected)


def _last(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return _encodable(dict(pairs))


def _encodable(collected: dict[str, Any]) -> dict[str, Any]:
    """Half a surrogate pair as a key would stop whoever reads its neighbours; we name no field so."""
    if all(map(str.isascii, collected)):
        return collected
    return {key: value for key, value in collected.items() if not _LONE_SURROGATE.search(key)}


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


# Made once: json.loads would make one for each call.
_ONCE: Final = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_refuse)
_LAST: Final = json.JSONDecoder(object_pairs_hook=_last, parse_constant=_refuse)
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def _in_words(problem: Exception) -> str:
    # The decoder's own words may quote the input: they stay here.
    if isinstance(problem, UnicodeDecodeError):
        return "not UTF-8"
    if isinstance(problem, RecursionError):
        return "nested too deep"
    return "not JSON"
