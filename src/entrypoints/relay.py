"""The worker that carries letters out of the outbox, beside the service in the same process."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue

import structlog

from adapters.telegram.usernames import Usernames
from adapters.telemetry.logs import Troubles
from application.messages import Letter
from application.outbox import DeliverOutbox
from application.updates import ForgetUpdates

CARRIERS = 4
IDLE_S = 0.5
REST_S = 0.1
AFTER_TROUBLE_S = 2.0
TIDY_EVERY_S = 3600.0
ASK_AGAIN_S = 30.0
STOP_WITHIN_S = 10.0
log = structlog.get_logger("tollgram")


@dataclass
class Relay:
    """One looks for letters, and a few carry them, so that one slow chat does not hold up the others. `wake` makes it
    look at once."""

    deliver: DeliverOutbox
    forget_updates: ForgetUpdates
    usernames: Usernames
    _claimed: SimpleQueue[Letter | None] = field(default_factory=SimpleQueue)
    _at_rest: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(CARRIERS))
    _threads: list[threading.Thread] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _work: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        works = [self._look, *[self._carry] * CARRIERS, self._tidy, self._get_known]
        self._threads = [threading.Thread(target=work, name=work.__name__, daemon=True) for work in works]
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Something was written to the outbox."""
        self._work.set()

    def stop(self) -> None:
        """Letters that are under way are carried to the end; the rest waits for the next start."""
        self._stopping.set()
        self._work.set()
        self._at_rest.release()  # so that whoever looks need not wait for a carrier to find out
        until = time.monotonic() + STOP_WITHIN_S
        for thread in self._threads:  # whoever looks is the first, so that nothing is claimed behind the last
            thread.join(max(0.0, until - time.monotonic()))
            if thread is self._threads[0]:
                self._claimed.put(None)

    def _look(self) -> None:
        """No more are claimed than there are carriers at rest, so that each is on its way at once."""
        troubles = Troubles()
        while (carriers := self._free_carriers()) and not self._stopping.is_set():
            self._work.clear()  # before looking, so that what is written from here on wakes us again
            letters: Sequence[Letter] = ()
            try:
                letters = self.deliver.claim(carriers)
                troubles.over()
            except BaseException as error:
                log.error("outbox.failed", **troubles.of(error))
                self._stopping.wait(AFTER_TROUBLE_S)
            for letter in letters:
                self._claimed.put(letter)
            if unneeded := carriers - len(letters):
                self._at_rest.release(unneeded)
            if not letters:
                # Where letters are written all the time, one would look all the time, and find that no rate allows it.
                self._stopping.wait(REST_S)
                self._work.wait(IDLE_S)

    def _free_carriers(self) -> int:
        """At least one; it is waited for."""
        self._at_rest.acquire()
        count = 1
        while self._at_rest.acquire(blocking=False):
            count += 1
        return count

    def _carry(self) -> None:
        troubles = Troubles()
        while (letter := self._claimed.get()) is not None:
            try:
                self.deliver.carry(letter)
                troubles.over()
            except BaseException as error:  # a carrier that is gone would be missed until the next start
                log.error("outbox.failed", **troubles.of(error))
                self._stopping.wait(AFTER_TROUBLE_S)
            finally:
                self._at_rest.release()
        self._claimed.put(None)  # that was the last one, for the other carriers too

    def _tidy(self) -> None:
        while not self._stopping.is_set():
            try:
                self.forget_updates()
            except Exception as error:
                log.error("updates.not_forgotten", **Troubles().of(error))
            self._stopping.wait(TIDY_EVERY_S)

    def _get_known(self) -> None:
        """Learn what our bots are called; Telegram may be away while we start."""
        while (problems := self.usernames.learn()) and not self._stopping.is_set():
            log.warning("bot.not_known", problem="; ".join(f"{bot}: {problem}" for bot, problem in problems.items()))
            self._stopping.wait(ASK_AGAIN_S)
