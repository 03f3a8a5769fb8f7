"""Connections of MTProto, broken from outside."""

from typing import Any

from litestar import get, post

from entrypoints.sandbox.control.request import Act, Asked, Impossible, read
from entrypoints.sandbox.people import Json


class Drop(Act, kw_only=True, forbid_unknown_fields=True):
    refuse_for_s: float = 0.0
    """For so long nobody can connect anew."""


@get("/mtproto")
async def show_mtproto(request: Asked) -> Json:
    """Where it listens, and by which key it is known."""
    server = _server(request)
    return {"port": server.port, "dc_id": server.answers.dc_id, "public_key": server.key.public_pem}


@post("/connections/drop", status_code=200)
async def drop_connections(request: Asked) -> Json:
    wanted = await read(request, Drop)
    return {"dropped": _server(request).drop_connections(wanted.refuse_for_s)}


@post("/keys/forget", status_code=200)
async def forget_keys(request: Asked) -> Json:
    """Every bot has to log in anew."""
    await read(request, Act)
    _server(request).forget_keys()
    return {}


def _server(request: Asked) -> Any:
    server = request.app.state.mtproto
    if server is None:
        raise Impossible(409, "MTProto is not spoken here")
    return server


handlers = [show_mtproto, drop_connections, forget_keys]
