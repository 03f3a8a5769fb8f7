"""Being told to stop, as soon as it happens: the server lets requests end first, and some of them wait on purpose."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def tells(listener: Callable[[], None]) -> Iterator[None]:
    """While it lasts, `listener` is called first when the process is told to stop; then whatever was to be done."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread is told of signals
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def told(number: int, frame: FrameType | None) -> None:
        listener()
        then = before[signal.Signals(number)]
        if callable(then):
            then(number, frame)

    for number in SIGNALS:
        signal.signal(number, told)
    try:
        yield
    finally:
        for number, then in before.items():
            if signal.getsignal(number) is told:
                signal.signal(number, then)
