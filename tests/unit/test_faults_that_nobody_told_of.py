"""Whatever breaks, and wherever: the caller is told that it was our fault, by a 503, or sees the answer break off."""

import asyncio
import json
from typing import Any, cast

import pytest
from litestar.types import HTTPScope, Message, Receive, Scope, Send

from domain.errors import Forbidden
from entrypoints.http import problems
from entrypoints.http.last_resort import LastResort
from entrypoints.http.request_ids import RequestIds
from tests.log_lines import said_by

SCOPE = cast("HTTPScope", {"type": "http", "method": "GET", "path": "/", "headers": []})
BEGIN: Message = cast("Message", {"type": "http.response.start", "status": 200, "headers": []})


class Breaking:
    """An application that sends that much of an answer, then breaks."""

    def __init__(self, error: Exception, *sent: Message) -> None:
        self.error = error
        self.sent = sent

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        for message in self.sent:
            await send(message)
        raise self.error


def answered(app: Breaking) -> list[Any]:
    """All that the caller is sent, whether or not it ends well."""
    sent: list[Any] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError

    with said_by(problems):
        asyncio.run(RequestIds(LastResort(app))(SCOPE, receive, send))
    return sent


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        pytest.param(UnicodeEncodeError("utf-8", "\ud800", 0, 1, "no text"), 503, "unavailable", id="a fault"),
        pytest.param(RecursionError(), 503, "unavailable", id="too deep"),
        pytest.param(Forbidden("Not you."), 403, "forbidden", id="a refusal that nobody caught"),
    ],
)
def test_it_is_told_as_every_other_problem_is(error: Exception, status: int, code: str) -> None:
    start, body = answered(Breaking(error))

    assert start["status"] == status
    headers = dict(start["headers"])
    assert headers[b"content-type"] == b"application/problem+json"
    assert headers[b"content-length"] == str(len(body["body"])).encode()
    assert headers[b"x-request-id"]
    assert json.loads(body["body"])["code"] == code
    assert not body["more_body"]


def test_an_answer_that_has_begun_breaks_off() -> None:
    with pytest.raises(ZeroDivisionError):
        answered(Breaking(ZeroDivisionError(), BEGIN))
