"""A thread that goes on with what waits in the database, beside the service in the same process."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from adapters.telemetry.logs import Troubles

AFTER_TROUBLE_S = 2.0
STOP_WITHIN_S = 10.0
log = structlog.get_logger("tollgram")


@dataclass
class Worker:
    """`work` does one piece of it, and tells how many it took up; where there was none it is asked again later, or at
    once when the `bell` is rung."""

    name: str
    work: Callable[[], int]
    bell: threading.Event = field(default_factory=threading.Event)
    idle_s: float = 1.0
    first_after_s: float = 0.0
    _thread: threading.Thread | None = None
    _stopping: threading.Event = field(default_factory=threading.Event)
    _troubles: Troubles = field(default_factory=Troubles)

    def start(self) -> None:
        self._thread = threading.Thread(target=self._go_on, name=self.name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """What is under way is carried to its end; the rest waits for the next start."""
        self._stopping.set()
        self.bell.set()
        if self._thread is not None:
            self._thread.join(STOP_WITHIN_S)

    def _go_on(self) -> None:
        self._stopping.wait(self.first_after_s)
        while not self._stopping.is_set():
            self.bell.clear()  # before looking, so that what is written from here on rings again
            try:
                taken_up = self.work()
            except Exception as error:
                log.error("worker.failed", worker=self.name, **self._troubles.of(error))
                self._stopping.wait(AFTER_TROUBLE_S)
                continue
            self._troubles.over()
            if not taken_up and not self._stopping.is_set():
                self.bell.wait(self.idle_s)
