"""Whoever buys need not name the bot where there can only be one that is meant."""

import pytest

from domain.errors import InvalidRequest
from domain.ids import BotName
from entrypoints.http.purchases import bot_of


@pytest.mark.parametrize(
    ("name", "bots", "meant"),
    [
        pytest.param(None, ["main"], "main", id="the only one"),
        pytest.param(None, ["shop"], "shop", id="the only one, whatever it is called"),
        pytest.param(None, ["shop", "main"], "main", id="main among several"),
        pytest.param("shop", ["main", "shop"], "shop", id="the one that is named"),
    ],
)
def test_it_is(name: str | None, bots: list[str], meant: str) -> None:
    assert bot_of(name, [BotName(bot) for bot in bots]) == meant


@pytest.mark.parametrize(
    ("name", "bots", "words"),
    [
        pytest.param("main", ["shop"], "There is no bot 'main'.", id="one that there is not"),
        pytest.param(
            None,
            ["shop", "club"],
            "There are several bots, and none is main: bot must name one.",
            id="none, where any could be meant",
        ),
    ],
)
def test_it_can_not_be(name: str | None, bots: list[str], words: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        bot_of(name, [BotName(bot) for bot in bots])
    assert str(refused.value) == words
