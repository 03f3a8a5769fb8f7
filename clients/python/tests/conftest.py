"""Clients of both kinds, and a server that is unkind to them."""

import asyncio
from collections.abc import Iterator
from typing import Any, cast

import httpx
import pytest

from clients.python.tests.flaky import Flaky
from clients.python.tests.shells import QUICK, UNREAD_CERTIFICATES, Awaited, Opened
from tollgram_client import AsyncTollgram, Tollgram


@pytest.fixture
def blocking() -> Iterator[Opened]:
    """Makes clients as Tollgram does, that are closed when the test ends."""
    with httpx.Client(verify=UNREAD_CERTIFICATES, trust_env=False) as http:
        yield lambda url, token="a-token", **more: Tollgram(url, token, http=http, **{"patience": QUICK, **more})


@pytest.fixture
def awaited() -> Iterator[Opened]:
    """The same, awaited behind that face."""
    with asyncio.Runner() as runner:
        http = httpx.AsyncClient(verify=UNREAD_CERTIFICATES, trust_env=False)

        def opened(url: str, token: str = "a-token", **more: Any) -> Tollgram:
            client = AsyncTollgram(url, token, http=http, **{"patience": QUICK, **more})
            return cast("Tollgram", Awaited(client, runner))

        yield opened
        runner.run(http.aclose())


@pytest.fixture(params=["blocking", "awaited"])
def opened(request: pytest.FixtureRequest) -> Opened:
    made: Opened = request.getfixturevalue(request.param)
    return made


@pytest.fixture
def flaky() -> Iterator[Flaky]:
    with Flaky() as running:
        yield running
