"""How a handler names what it is handed."""

from typing import Annotated, TypeVar

from litestar.di import Dependency
from litestar.params import SkipValidationMarker

Thing = TypeVar("Thing")

Handed = Annotated[Thing, Dependency(kind="named"), SkipValidationMarker()]
"""A use case (or the like) by the parameter's name. It is ours, so Litestar need not convert it as it does input."""
