"""In the simulation time passes only when nobody has anything to do, and what dies does nothing more."""

from datetime import timedelta

import pytest

from entrypoints.simulation.world import Died, Lost, Process, World


def test_what_is_due_is_done_in_order_and_no_time_is_lost_in_between() -> None:
    world, done = World(1), list[tuple[str, float]]()
    began = world.now
    for name, after_s in (("later", 60.0), ("first", 1.0), ("second", 1.0)):
        world.after(after_s, lambda name=name: done.append((name, (world.now - began).total_seconds())))  # type: ignore[misc]
    world.run_until(began + timedelta(days=1))
    assert done == [("first", 1.0), ("second", 1.0), ("later", 60.0)]
    assert world.now == began + timedelta(days=1)


def test_tasks_take_turns_where_they_wait() -> None:
    world, said = World(1), list[str]()

    def work(name: str, wait_s: float) -> None:
        for step in range(2):
            said.append(f"{name}{step}")
            world.wait(wait_s)

    world.spawn("a", lambda: work("a", 2.0))
    world.spawn("b", lambda: work("b", 3.0))
    world.run_until(world.now + timedelta(seconds=10))
    assert said == ["a0", "b0", "a1", "b1"]


def test_who_is_parked_goes_on_when_told_or_when_its_time_is_over() -> None:
    world, in_time = World(1), list[bool]()
    told = world.spawn("told", lambda: in_time.append(world.park(10.0)))
    world.spawn("forgotten", lambda: in_time.append(world.park(10.0)))
    world.after(1.0, lambda: world.unpark(told))
    world.run_until(world.now + timedelta(seconds=20))
    assert in_time == [True, False]


def test_a_process_that_dies_takes_its_tasks_along_and_they_let_go_of_what_they_hold() -> None:
    world, process, done = World(1), Process("service"), list[str]()

    def work() -> None:
        try:
            world.wait(10.0)
            done.append("worked")
        finally:
            done.append("let go")

    task = world.spawn("work", work, process)
    world.after(1.0, lambda: world.kill(process))
    world.run_until(world.now + timedelta(seconds=20))
    assert done == ["let go"]
    assert isinstance(task.error, Died)


def test_who_calls_a_process_that_dies_is_told_that_the_answer_is_lost_and_goes_on() -> None:
    world, process, heard = World(1), Process("service"), list[str]()

    def call() -> None:
        try:
            world.call("ask", lambda: world.wait(10.0), process)
        except Lost as lost:
            heard.append(str(lost))
        world.wait(1.0)
        heard.append("went on")

    world.spawn("caller", call)
    world.after(5.0, lambda: world.kill(process))
    world.run_until(world.now + timedelta(seconds=20))
    assert heard == ["ask", "went on"]


def test_a_process_may_die_at_a_point_of_its_own() -> None:
    world, process, heard = World(1), Process("service"), list[str]()

    def strike(name: str, task: object) -> None:
        heard.append(f"struck at {name}")
        world.kill(process)

    def points() -> None:
        world.point("one")
        world.point("two")

    def call() -> None:
        with pytest.raises(Lost):
            world.call("ask", points, process)

    world.strike = strike
    world.strike_within(2)
    world.spawn("caller", call)
    world.run_until(world.now + timedelta(seconds=1))
    assert heard == ["struck at two"]
    assert not process.alive


def test_what_a_task_raises_that_nobody_catches_ends_the_story() -> None:
    world = World(1)
    world.spawn("broken", lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        world.run_until(world.now + timedelta(seconds=1))


def test_each_actor_has_a_source_of_its_own_that_hangs_on_the_seed_alone() -> None:
    one, same, other = World(1), World(1), World(2)
    one.random("somebody else").random()
    assert one.random("buyer").random() == same.random("buyer").random() != other.random("buyer").random()
