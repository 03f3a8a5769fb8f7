"""Litestar with nothing behind it: typed routes that read and write JSON, and do nothing else."""

import msgspec
from litestar import Litestar, get, post


class Query(msgspec.Struct):
    id: str
    total_amount: int


class Update(msgspec.Struct):
    update_id: int
    pre_checkout_query: Query


@get("/check", sync_to_thread=False)
def check() -> dict[str, bool]:
    return {"allowed": True}


@post("/pre-checkout", status_code=200, sync_to_thread=False)
def pre_checkout(data: Update) -> dict[str, object]:
    return {"method": "answerPreCheckoutQuery", "pre_checkout_query_id": data.pre_checkout_query.id, "ok": True}


def app() -> Litestar:
    return Litestar([check, pre_checkout], openapi_config=None, logging_config=None)
