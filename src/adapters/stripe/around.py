"""What whoever watches may put around each call to Stripe."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

Around = Callable[[str], AbstractContextManager[None]]
"""Given the call's name."""


def nothing_around(_call: str) -> AbstractContextManager[None]:
    return nullcontext()
