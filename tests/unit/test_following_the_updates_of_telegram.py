"""A bot's place in what Telegram tells moves only behind what is done, in whatever order that ends."""

from itertools import permutations

import pytest

from adapters.telegram.mtproto.position import Progress


@pytest.mark.parametrize("order", list(permutations([(11, 1), (13, 2), (14, 1)])))
def test_it_ends_behind_all_that_is_done_whatever_ended_first(order: tuple[tuple[int, int], ...]) -> None:
    progress = Progress(10)
    for pts, count in order:
        progress.done(pts, count)
    assert (progress.pts, progress.gap) == (14, False)


def test_nothing_is_passed_over() -> None:
    progress = Progress(10)
    assert not progress.done(12, 1)
    assert (progress.pts, progress.gap) == (10, True)
    assert progress.done(11, 1)
    assert (progress.pts, progress.gap) == (12, False)


@pytest.mark.parametrize(("pts", "count"), [(10, 1), (3, 1), (11, 0), (0, 0)])
def test_what_is_old_or_has_no_place_moves_nothing(pts: int, count: int) -> None:
    progress = Progress(10)
    assert not progress.done(pts, count)
    assert (progress.pts, progress.gap) == (10, False)


def test_what_telegram_gave_whole_is_behind_us() -> None:
    progress = Progress(10)
    progress.done(15, 1)
    progress.done(22, 1)
    progress.jump(20)
    assert (progress.pts, progress.gap) == (20, True)
    assert progress.done(21, 1)
    assert (progress.pts, progress.gap) == (22, False)
