"""Whatever strikes a letter on its way, the relay goes on: no carrier is lost, and none carries two at once."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from application.messages import Letter, Welcome
from application.outbox import DeliverOutbox
from application.ports.outbox import Delivery, Sent
from domain.ids import UserId
from entrypoints import relay as relaying
from entrypoints.relay import CARRIERS, Relay
from tests.builders import MAIN, Service
from tests.log_lines import said_by
from tests.memory import MemoryMessenger


@dataclass
class Road(MemoryMessenger):
    """On which something may `strike`; how many are under way at once is counted."""

    strike: Callable[[int], object] = lambda number: None
    carried: list[int] = field(default_factory=list)
    most_at_once: int = 0
    _under_way: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, letter: Letter) -> Delivery:
        with self._lock:
            self._under_way += 1
            self.most_at_once = max(self.most_at_once, self._under_way)
            number = len(self.carried)
            self.carried.append(letter.chat_id)
        try:
            self.strike(number)
        finally:
            with self._lock:
                self._under_way -= 1
        return Sent(message_id=1)


class Nobody:
    """Bots that need not be asked for their names."""

    def learn(self) -> dict[str, str]:
        return {}


@contextmanager
def running(road: Road, letters: int) -> Iterator[tuple[Service, Relay]]:
    service = Service()
    with service.work.begin() as tx:
        tx.outbox.add(
            [Letter(bot=MAIN, chat_id=UserId(n + 1), language="en", message=Welcome()) for n in range(letters)],
            service.clock.now(),
        )
    deliver = DeliverOutbox(
        work=service.work, clock=service.clock, messenger=road, journal=service.journal, causes=service.causes
    )
    usernames: Any = Nobody()
    relay = Relay(deliver, lambda: 0, usernames)  # type: ignore[arg-type] # nothing is forgotten here
    relay.start()
    try:
        yield service, relay
    finally:
        relay.stop()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REST_S", "IDLE_S", "AFTER_TROUBLE_S"):
        monkeypatch.setattr(relaying, name, 0.001)


@pytest.fixture(autouse=True)
def said() -> Iterator[list[Any]]:
    """What is logged. A trace as a terminal has it takes half a second to draw."""
    with said_by(relaying) as lines:
        yield lines


def in_time(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.001)


def test_all_are_carried_by_no_more_at_once_than_there_are_carriers() -> None:
    road = Road(strike=lambda number: time.sleep(0.002))
    with running(road, 20):
        in_time(lambda: len(road.carried) == 20)
    assert sorted(road.carried) == list(range(1, 21))
    assert 1 < road.most_at_once <= CARRIERS


@pytest.mark.parametrize("fault", [RuntimeError, SystemExit, KeyboardInterrupt])
def test_no_carrier_is_lost_over_a_letter(fault: type[BaseException], said: list[Any]) -> None:
    def strike(number: int) -> None:
        if number < 3 * CARRIERS:
            raise fault

    road = Road(strike=strike)
    with running(road, 25) as (service, _):
        in_time(lambda: sum(letter.sent_at is not None for letter in service.state.outbox) >= 25 - 3 * CARRIERS)
    assert [(line["event"], line["problem"]) for line in said] == [("outbox.failed", fault.__name__)] * 3 * CARRIERS


def test_what_is_under_way_is_carried_to_its_end_before_it_stops_and_nothing_is_begun_after() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def strike(number: int) -> None:
        begun.set()
        go_on.wait(10)

    road = Road(strike=strike)
    with running(road, 20) as (service, relay):
        assert begun.wait(10)
        stopping = threading.Thread(target=relay.stop)
        stopping.start()
        go_on.set()
        stopping.join(10)
        assert not stopping.is_alive()
        carried = len(road.carried)
        claimed = [letter for letter in service.state.outbox if letter.claimed_until is not None]
        assert sum(letter.sent_at is not None for letter in service.state.outbox) == carried < 20
        assert claimed == []
    assert len(road.carried) == carried
