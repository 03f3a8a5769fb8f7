"""What a module logs, wherever its lines went before."""

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import structlog
from structlog.testing import capture_logs


@contextmanager
def said_by(module: ModuleType) -> Iterator[list[MutableMapping[str, Any]]]:
    """The lines of its `log` until the end. A logger that was used before holds on to where it wrote then."""
    used: Any = vars(module)["log"]
    vars(module)["log"] = structlog.get_logger()
    try:
        with capture_logs() as lines:
            yield lines
    finally:
        vars(module)["log"] = used
