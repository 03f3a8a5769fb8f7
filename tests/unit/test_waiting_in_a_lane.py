"""What comes while others are served is served together next, and nobody waits without an end."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from adapters.telemetry.tracing import Tracing
from domain.errors import Unavailable
from entrypoints.http.lane import MOST_AT_ONCE, MOST_WAITING, Lane

PATIENCE_S = 20.0


class Desk:
    """Doubles numbers, a batch at a time, as soon as it is let; keeps which came together."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.open = threading.Event()
        self.at_work = threading.Semaphore(0)
        self.faults: dict[int, Exception] = {}

    def __call__(self, numbers: Sequence[int]) -> Mapping[int, int]:
        self.batches.append(list(numbers))
        self.at_work.release()
        assert self.open.wait(PATIENCE_S)
        for number in numbers:
            if number in self.faults:
                raise self.faults[number]
        return {number: 2 * number for number in numbers}

    async def begun(self) -> None:
        """Until one more batch is at work."""
        assert await asyncio.to_thread(self.at_work.acquire, timeout=PATIENCE_S)


@contextmanager
def lane_of(desk: Desk, **how: Any) -> Iterator[Lane[int, int, int]]:
    lane: Lane[int, int, int] = Lane("numbers", desk, int, "number", Tracing(), **how)
    try:
        yield lane
    finally:
        desk.open.set()
        lane.close()


def run(story: Callable[[], Awaitable[None]]) -> None:
    async def told() -> None:
        await story()

    asyncio.run(told())


def test_what_comes_meanwhile_is_served_together_and_each_gets_its_own_answer() -> None:
    async def story() -> None:
        desk = Desk()
        with lane_of(desk) as lane:
            first = asyncio.create_task(lane.submit(1))
            await desk.begun()
            others = [asyncio.create_task(lane.submit(number)) for number in (2, 3, 4)]
            await asyncio.sleep(0)
            desk.open.set()

            assert await asyncio.gather(first, *others) == [2, 4, 6, 8]
            assert desk.batches == [[1], [2, 3, 4]]

    run(story)


def test_never_more_than_a_batch_holds() -> None:
    async def story() -> None:
        desk = Desk()
        with lane_of(desk) as lane:
            waiting = [asyncio.create_task(lane.submit(number)) for number in range(MOST_AT_ONCE + 2)]
            await asyncio.sleep(0)
            desk.open.set()
            await asyncio.gather(*waiting)

            assert max(map(len, desk.batches)) <= MOST_AT_ONCE
            assert sum(map(len, desk.batches)) == MOST_AT_ONCE + 2

    run(story)


def test_a_bad_one_fails_alone() -> None:
    async def story() -> None:
        desk = Desk()
        desk.faults[3] = ValueError("three")
        with lane_of(desk) as lane:
            first = asyncio.create_task(lane.submit(1))
            await desk.begun()
            others = [asyncio.create_task(lane.submit(number)) for number in (2, 3, 4)]
            await asyncio.sleep(0)
            desk.open.set()
            answers = await asyncio.gather(first, *others, return_exceptions=True)

            assert [answer for answer in answers if isinstance(answer, int)] == [2, 4, 8]
            assert str(answers[2]) == "three"

    run(story)


@pytest.mark.parametrize(
    ("only_reads", "tries"),
    [
        pytest.param(True, [[1], [2, 3]], id="where it only reads"),
        pytest.param(False, [[1], [2, 3], [2], [3]], id="tried one by one where it writes"),
    ],
)
def test_a_database_that_is_away_is_so_for_all(only_reads: bool, tries: list[list[int]]) -> None:
    async def story() -> None:
        desk = Desk()
        desk.faults.update(dict.fromkeys((2, 3), Unavailable("away")))
        with lane_of(desk, only_reads=only_reads) as lane:
            first = asyncio.create_task(lane.submit(1))
            await desk.begun()
            others = [asyncio.create_task(lane.submit(number)) for number in (2, 3)]
            await asyncio.sleep(0)
            desk.open.set()
            answers = await asyncio.gather(first, *others, return_exceptions=True)

            assert [type(answer) for answer in answers] == [int, Unavailable, Unavailable]
            assert desk.batches == tries

    run(story)


def test_two_batches_are_served_side_by_side_where_that_is_wanted() -> None:
    async def story() -> None:
        desk = Desk()
        with lane_of(desk, batches_at_once=2) as lane:
            waiting = [asyncio.create_task(lane.submit(1))]
            await desk.begun()
            waiting.append(asyncio.create_task(lane.submit(2)))
            await desk.begun()
            waiting += [asyncio.create_task(lane.submit(number)) for number in (3, 4)]
            await asyncio.sleep(0)
            assert desk.batches == [[1], [2]]
            desk.open.set()

            assert await asyncio.gather(*waiting) == [2, 4, 6, 8]

    run(story)


@pytest.mark.threat(42)
def test_whoever_comes_after_too_many_is_told_so_at_once() -> None:
    async def story() -> None:
        desk = Desk()
        with lane_of(desk) as lane:
            first = asyncio.create_task(lane.submit(0))
            await desk.begun()
            waiting = [asyncio.create_task(lane.submit(number)) for number in range(1, MOST_WAITING + 1)]
            await asyncio.sleep(0)

            with pytest.raises(Unavailable, match="at once"):
                await lane.submit(-1)
            desk.open.set()
            assert await asyncio.gather(first, *waiting) == [2 * number for number in range(MOST_WAITING + 1)]
            assert await lane.submit(-1) == -2

    run(story)


def test_whoever_has_given_up_is_left_out() -> None:
    async def story() -> None:
        desk = Desk()
        with lane_of(desk) as lane:
            first = asyncio.create_task(lane.submit(1))
            await desk.begun()
            hasty, patient = (asyncio.create_task(lane.submit(number)) for number in (2, 3))
            await asyncio.sleep(0)
            hasty.cancel()
            await asyncio.sleep(0)
            desk.open.set()

            assert [await first, await patient] == [2, 6]
            assert desk.batches == [[1], [3]]

    run(story)
