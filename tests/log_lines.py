"""What a module logs, whatever was set up for logging before."""

import logging
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import structlog
from structlog.testing import LogCapture


@contextmanager
def said_by(module: ModuleType) -> Iterator[list[MutableMapping[str, Any]]]:
    """The lines of its `log` until the end, of every level. Its own logger may hold on to where it wrote before, and
    another test may have asked for less."""
    used: Any = vars(module)["log"]
    capture = LogCapture()
    every_level = structlog.make_filtering_bound_logger(logging.DEBUG)
    vars(module)["log"] = structlog.wrap_logger(None, processors=[capture], wrapper_class=every_level)
    try:
        yield capture.entries
    finally:
        vars(module)["log"] = used
