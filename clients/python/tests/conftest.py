"""Clients of both kinds, and a server that is unkind to them."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, cast

import httpx
import pytest

from clients.python.tests.flaky import Flaky
from clients.python.tests.shells import QUICK, UNREAD_CERTIFICATES, Awaited, Opened
from tollgram_client import AsyncTollgram, Tollgram


@pytest.fixture(params=["blocking", "awaited"])
def opened(request: pytest.FixtureRequest) -> Iterator[Opened]:
    """Makes clients as Tollgram does, that are closed when the test ends."""
    with ExitStack() as stack:
        if request.param == "blocking":
            http = stack.enter_context(httpx.Client(verify=UNREAD_CERTIFICATES, trust_env=False))

            def blocking(url: str, token: str = "a-token", **more: Any) -> Tollgram:
                return Tollgram(url, token, http=http, **{"patience": QUICK, **more})

            yield blocking
            return
        runner = stack.enter_context(asyncio.Runner())
        awaited_http = httpx.AsyncClient(verify=UNREAD_CERTIFICATES, trust_env=False)

        def awaited(url: str, token: str = "a-token", **more: Any) -> Tollgram:
            client = AsyncTollgram(url, token, http=awaited_http, **{"patience": QUICK, **more})
            return cast("Tollgram", Awaited(client, runner))

        yield awaited
        runner.run(awaited_http.aclose())


@pytest.fixture
def flaky() -> Iterator[Flaky]:
    with Flaky() as running:
        yield running
