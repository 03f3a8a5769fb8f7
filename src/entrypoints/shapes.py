"""Has every shape of a message ready before threads read messages.

msgspec gets a shape ready when it is first used, and kills the process where two threads do so at once: 0.22 reads what
the other has not filled in yet (seen as a segmentation fault in `_core` within seconds of a start under load).
"""

from collections.abc import Iterator
from typing import Final

import msgspec

OURS: Final = ("adapters.", "entrypoints.")


def get_ready() -> int:
    """To be called by one thread, once all modules are loaded, before there are others. How many shapes there are."""
    number = 0
    for shape in _shapes(msgspec.Struct):
        msgspec.json.Decoder(shape)
        number += 1
    return number


def _shapes(above: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    for shape in above.__subclasses__():
        if shape.__module__.startswith(OURS):
            yield shape
        yield from _shapes(shape)
