"""A port says what it needs and does nothing, so that who writes half of one finds out when it is built."""

import inspect
from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import pytest

from application import ports


def every_port() -> Iterator[type[Any]]:
    for module in iter_modules(ports.__path__, f"{ports.__name__}."):
        for _, found in inspect.getmembers(import_module(module.name), inspect.isclass):
            if found.__module__ == module.name and getattr(found, "_is_protocol", False):
                yield found


@pytest.mark.parametrize("port", list(every_port()), ids=lambda port: port.__name__)
def test_all_of_a_port_is_left_to_those_who_implement_it(port: type[Any]) -> None:
    asked = {name for name, _ in inspect.getmembers(port, inspect.isfunction) if not name.startswith("_")}
    attributes = port.__annotations__

    assert asked == {name for name in port.__abstractmethods__ if not name.startswith("_")}
    assert asked or attributes
