"""JSON read into the dataclasses of `answers`: fields that they don't know are left out, wrong ones are told."""

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime
from functools import cache
from types import NoneType, UnionType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")


class Misread(ValueError):
    """The message names the place and what should be there, never the value."""


def read(shape: type[T], value: Any) -> T:
    """Raises Misread."""
    return cast("T", _read(shape, value, shape.__name__))


def _read(hint: Any, value: Any, place: str) -> Any:
    kind, arguments = get_origin(hint), get_args(hint)
    if hint is Any or isinstance(hint, TypeVar):
        return value
    if kind is UnionType:  # always something or None
        return None if value is None else _read(next(one for one in arguments if one is not NoneType), value, place)
    if kind is tuple:
        return tuple(_read(arguments[0], one, f"{place}[{at}]") for at, one in enumerate(_a(list, value, place)))
    if kind is Mapping:
        return {name: _read(arguments[1], one, f"{place}.{name}") for name, one in _a(dict, value, place).items()}
    if hint is datetime:
        return _moment(_a(str, value, place), place)
    if is_dataclass(hint):
        return _object(cast("type[Any]", hint), _a(dict, value, place), place)
    return _a(hint, value, place)


def _a(kind: type[Any], value: Any, place: str) -> Any:
    if type(value) is not kind:
        raise Misread(f"{place} is no {kind.__name__}")
    return value


def _moment(text: str, place: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Misread(f"{place} is no time") from None
    if moment.tzinfo is None:
        raise Misread(f"{place} is a time without a zone")
    return moment


def _object(shape: Any, value: dict[str, Any], place: str) -> Any:
    read_fields = {}
    for name, hint, required in _fields_of(shape):
        if name in value:
            read_fields[name] = _read(hint, value[name], f"{place}.{name}")
        elif required:
            raise Misread(f"{place}.{name} is missing")
    return shape(**read_fields)


@cache
def _fields_of(shape: Any) -> tuple[tuple[str, Any, bool], ...]:
    hints = get_type_hints(shape)
    return tuple((one.name, hints[one.name], one.default is MISSING) for one in fields(shape))
