"""Bodies and queries as Stripe takes them: `a[b][0][c]=x`, `expand[]=y`."""

import re
from collections.abc import Iterable
from typing import Any

from entrypoints.sandbox.stripe.refusal import Refused

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_INNER = re.compile(r"\[([^\[\]]*)\]")
MOST_PAIRS = 1000
DEEPEST = 10


def nested(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Texts in dictionaries. A list is one whose keys are its indices, since metadata may have such keys too."""
    tree: dict[str, Any] = {}
    for count, (name, value) in enumerate(pairs):
        if count >= MOST_PAIRS:
            raise Refused("Too many parameters.")
        parts = _NAME.fullmatch(name)
        if parts is None:
            raise Refused(f"Invalid parameter name: {name}", param=name)
        path = [parts[1], *_INNER.findall(parts[2])]
        if len(path) > DEEPEST:
            raise Refused("Parameters are nested too deeply.", param=parts[1])
        _put(tree, path, value)
    return tree


def _put(tree: dict[str, Any], path: list[str], value: str) -> None:
    place = tree
    for step in path[:-1]:
        place = place.setdefault(step or str(len(place)), {})
        if not isinstance(place, dict):
            raise Refused("Invalid object", param=path[0])
    last = path[-1] or str(len(place))
    if isinstance(place.get(last), dict):
        raise Refused(f"Invalid string: {path[0]}", param=path[0])
    place[last] = value
