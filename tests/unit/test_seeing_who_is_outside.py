"""What is for operators is there for nobody who calls, or is called for, from outside of their networks."""

import asyncio
from typing import Any, cast

import pytest
from litestar.types import HTTPScope, Message, Receive, Scope, Send

from entrypoints.http.backstage import NOWHERE, Backstage

LOOPBACK = "127.0.0.1"


def shown(path: str = "/metrics", peer: str = LOOPBACK, **headers: str) -> bool:
    """Whether whoever calls so finds it."""
    asked: list[str] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        asked.append(cast("HTTPScope", scope)["path"])

    async def receive() -> Any:
        raise AssertionError

    async def send(_message: Message) -> None:
        raise AssertionError

    told = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "path": path, "raw_path": path.encode(), "client": (peer, 4711), "headers": told}
    asyncio.run(Backstage(app, ())(cast("HTTPScope", scope), receive, send))
    assert asked in ([path], [NOWHERE])
    return asked == [path]


@pytest.mark.parametrize(
    "forwarded",
    [
        pytest.param("for=10.0.0.7", id="an address"),
        pytest.param('for="10.0.0.7:4711"', id="with a port"),
        pytest.param('For="[fd00::7]:4711"', id="IPv6"),
        pytest.param("proto=https;for=10.0.0.7;by=10.0.0.1, for=192.168.0.1", id="several"),
    ],
)
def test_who_is_called_for_from_inside_finds_it(forwarded: str) -> None:
    assert shown(forwarded=forwarded)


@pytest.mark.parametrize(
    "forwarded",
    [
        pytest.param("for=8.8.8.8", id="an address"),
        pytest.param('for="[2001:db8::7]"', id="IPv6"),
        pytest.param("for=10.0.0.7, for=8.8.8.8", id="one of several"),
        pytest.param("for=_hidden", id="a name"),
        pytest.param("for=", id="nobody"),
        pytest.param('for="[fd00::7', id="half of an address"),
        pytest.param(f'for="[{"0" * 64}::1]"', id="a long address"),
    ],
)
def test_who_is_called_for_from_outside_or_from_nowhere_does_not(forwarded: str) -> None:
    assert not shown(forwarded=forwarded)
    assert shown("/api/v1/catalog", forwarded=forwarded), "which is for everybody"


@pytest.mark.parametrize("part", ["for=[", "for=[,", "for=[:", 'for="[;', "for=[]", "for="])
def test_a_header_of_whatever_length_is_read_in_one_pass(part: str) -> None:
    """Where each part is looked for to the end, 300 kB take minutes."""
    assert not shown(forwarded=part * (300_000 // len(part)))
