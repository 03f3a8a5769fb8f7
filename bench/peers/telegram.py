"""A Telegram that takes every message, so that letters leave the outbox as they would in real life."""

from typing import Any

from litestar import Litestar, get, post
from litestar.params import FromPath


@post("/{token:str}/{method:str}", status_code=200, sync_to_thread=False)
def take(token: FromPath[str], method: FromPath[str]) -> dict[str, Any]:
    bot = {"id": 1, "is_bot": True, "first_name": "Bench", "username": "bench_bot"}
    message = {"message_id": 1, "date": 1, "chat": {"id": 1, "type": "private"}}
    return {"ok": True, "result": bot if method == "getMe" else message}


@get("/", sync_to_thread=False)
def ready() -> dict[str, bool]:
    return {"ok": True}


def app() -> Litestar:
    return Litestar([take, ready], openapi_config=None, logging_config=None)
