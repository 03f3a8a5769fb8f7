"""Group commit in the simulation, by turns of tasks instead of threads and an event loop."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from application.ports.payments import ChargeKey
from domain.payment import Charge, Payment
from entrypoints.simulation.stand_ins import CountingJournal
from entrypoints.simulation.world import Task, World

Settle = Callable[[Sequence[Charge]], Mapping[ChargeKey, Payment]]


class Bug(Exception):
    """A fault of our own code, which a poisonous charge brings to light."""


@dataclass(slots=True, eq=False)
class _Waiting:
    charge: Charge
    task: Task[Any] | None
    payment: Payment | None = None
    fault: Exception | None = None
    done: bool = False


class Lane:
    """What comes while a batch is being written joins the next one, and those of a batch that failed are tried again
    one by one, as in `entrypoints.http.lane`. Whoever comes while nobody writes is the one who writes.

    Its code has a fault for the charges in `poison`, for so many times.
    """

    def __init__(self, world: World, settle: Settle, journal: CountingJournal, poison: dict[str, int]) -> None:
        self._world = world
        self._settle = settle
        self._journal = journal
        self._poison = poison
        self._queue: list[_Waiting] = []
        self._writing = False

    def __call__(self, charges: Sequence[Charge]) -> Mapping[ChargeKey, Payment]:
        mine = [_Waiting(charge, self._world.current) for charge in charges]
        self._queue += mine
        if not self._writing:
            self._write()
        for one in mine:
            while not one.done:
                self._world.park()
            if one.fault:
                raise one.fault
        return {one.charge.key: one.payment for one in mine if one.payment}

    def _write(self) -> None:
        self._writing = True
        try:
            while self._queue:
                batch, self._queue = self._queue, []
                if not self._try(batch, alone=len(batch) == 1):
                    for one in batch:
                        self._try([one], alone=True)
        finally:
            self._writing = False

    def _try(self, batch: Sequence[_Waiting], *, alone: bool) -> bool:
        """Whether it was done with, one way or the other."""
        if not alone:
            self._journal.seen["a batch of charges"] += 1
        try:
            self._fail_by_poison(batch)
            became = self._settle([one.charge for one in batch])
        except Exception as fault:
            if not alone:
                return False
            batch[0].fault = fault
        else:
            for one in batch:
                one.payment = became[one.charge.key]
        for one in batch:
            one.done = True
            if one.task not in (None, self._world.current):
                self._world.unpark(one.task)
        return True

    def _fail_by_poison(self, batch: Sequence[_Waiting]) -> None:
        for one in batch:
            if left := self._poison.get(one.charge.charge_id, 0):
                self._poison[one.charge.charge_id] = left - 1
                raise Bug(one.charge.charge_id)
