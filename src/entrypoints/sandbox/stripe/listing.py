"""Lists: newest first, a page at a time."""

from collections.abc import Collection

from entrypoints.sandbox.people import Json
from entrypoints.sandbox.stripe.parameters import Parameters
from entrypoints.sandbox.stripe.refusal import Refused

PAGE = 10
LARGEST_PAGE = 100
PAGING = ("limit", "starting_after", "ending_before", "created")


def listed(
    things: Collection[Json],
    parameters: Parameters,
    url: str,
    *,
    filters: Collection[str] = (),
    more_names: Collection[str] = (),
) -> Json:
    """`things` oldest first; `filters` are fields that must equal the parameter of the same name."""
    parameters.only((*PAGING, *filters, *more_names))
    limit = parameters.integer("limit")
    if limit is not None and not 1 <= limit <= LARGEST_PAGE:
        word = "less than or equal to 100" if limit > LARGEST_PAGE else "greater than or equal to 1"
        raise Refused(f"This value must be {word}.", code="parameter_invalid_integer", param="limit")
    wanted = {name: value for name in filters if (value := parameters.text(name)) is not None}
    created = _created(parameters)
    line = list(things)[::-1]
    after, before = parameters.text("starting_after"), parameters.text("ending_before")
    # Where a page begins is a place among all: what stands there need not be what is asked for, any more or ever.
    if after is not None:
        line = line[_position(line, after, "starting_after") + 1 :]
    if before is not None:
        line = line[: _position(line, before, "ending_before")]
    found = [
        thing
        for thing in line
        if all(thing.get(name) == value for name, value in wanted.items())
        and all(_holds(thing["created"], bound, value) for bound, value in created.items())
    ]
    size = limit or PAGE
    page = found[-size:] if before is not None else found[:size]
    return {"object": "list", "data": page, "has_more": len(found) > size, "url": url}


def _created(parameters: Parameters) -> dict[str, int]:
    if isinstance(parameters.values.get("created"), str):
        return {"eq": parameters.integer("created") or 0}
    inside = parameters.inside("created")
    if inside is None:
        return {}
    inside.only(("gt", "gte", "lt", "lte"))
    return {name: inside.integer(name) or 0 for name in inside.values}


def _holds(created: int, bound: str, value: int) -> bool:
    return {
        "eq": created == value,
        "gt": created > value,
        "gte": created >= value,
        "lt": created < value,
        "lte": created <= value,
    }[bound]


def _position(line: list[Json], identifier: str, param: str) -> int:
    for position, thing in enumerate(line):
        if thing["id"] == identifier:
            return position
    raise Refused(f"No such object: '{identifier}'", code="resource_missing", param=param)
