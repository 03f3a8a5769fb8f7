"""When memory is tidied up: seldom, for what a seed leaves behind is small, and looking for it takes long."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Final

EVERY: Final = 50


@contextmanager
def tidied_seldom() -> Iterator[Callable[[], None]]:
    """Rings are only looked for when it is told, every so often, that a world has ended, and never among what was there
    before."""
    gc.collect()
    gc.freeze()
    gc.disable()
    ended = count(1)

    def tidy() -> None:
        if next(ended) % EVERY == 0:
            gc.collect()

    try:
        yield tidy
    finally:
        gc.enable()
        gc.unfreeze()
