"""The headers of a request, read as they came; the framework would make a mapping of all of them first."""

from typing import Any

from litestar import Request


def all_of(request: Request[Any, Any, Any], name: bytes) -> list[str]:
    """Every value of a header, by its name in small letters."""
    return [value.decode("latin-1") for named, value in request.scope["headers"] if named == name]


def one_of(request: Request[Any, Any, Any], name: bytes, default: str) -> str:
    """The first value, or the default where there is none."""
    return next(iter(all_of(request, name)), default)
