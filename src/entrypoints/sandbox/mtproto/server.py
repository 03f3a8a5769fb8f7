"""The door of MTProto: connections, what is said over them, and what can go wrong on the way."""

import asyncio
import contextlib
import logging
import struct
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from telethon.errors import TypeNotFoundError
from telethon.extensions import BinaryReader
from telethon.tl import functions, types
from telethon.tl.core import GzipPacked, RpcResult

from entrypoints.sandbox.checkout import Checkout
from entrypoints.sandbox.mtproto.answering import Answers, RpcRefusal
from entrypoints.sandbox.mtproto.handshake import Handshake
from entrypoints.sandbox.mtproto.postboxes import Postboxes
from entrypoints.sandbox.mtproto.rsa_key import ServerKey
from entrypoints.sandbox.mtproto.sessions import AuthKey, Session, Wire, messages_in, written
from entrypoints.sandbox.mtproto.transport import FullTransport, ProtocolError

WRAPPERS: Final = (
    functions.InvokeWithLayerRequest,
    functions.InitConnectionRequest,
    functions.InvokeWithoutUpdatesRequest,
)
GZIP_OVER: Final = 512
UNKNOWN_KEY: Final = struct.pack("<i", -404)
log = logging.getLogger("tollgram.sandbox")


@dataclass(slots=True)
class MtprotoServer:
    """Listens at a port of this machine. Keys, logins and what waits outlive every connection, as Telegram's do."""

    answers: Answers
    key: ServerKey = field(default_factory=ServerKey)
    port: int = 0
    keys: dict[bytes, AuthKey] = field(default_factory=dict)
    _wires: set[Wire] = field(default_factory=set)
    _listener: asyncio.Server | None = None
    _tasks: "set[asyncio.Task[Any]]" = field(default_factory=set)

    async def start(self) -> None:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self.answers.port = self._listener.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._listener is not None:
            self._listener.close()
        self.drop_connections()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.answers.postboxes.close()

    def drop_connections(self, refuse_for_s: float = 0.0) -> int:
        """How many there were; for so long nobody listens."""
        wires = tuple(self._wires)
        if refuse_for_s and self._listener is not None:
            self._listener.close()
            self._spawn(self._listen_again(refuse_for_s))
        for wire in wires:
            wire.drop()
        return len(wires)

    def forget_keys(self) -> None:
        """Whoever has logged in must do so again."""
        self.keys.clear()
        self.answers.postboxes.forget_sessions()
        self.drop_connections()

    async def _listen_again(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
        await self.start()

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # A connection

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 (asyncio runs this as one)
        self._tasks.add(task)
        transport = FullTransport(reader)
        wire, handshake = Wire(transport, writer), Handshake(self.key)
        self._wires.add(wire)
        try:
            while wire.alive:
                packet = await transport.read()
                if packet[:8] == bytes(8):
                    self._shake_hands(wire, handshake, packet)
                else:
                    self._hear(wire, packet)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        except ProtocolError as problem:
            log.warning("a connection was closed: %s", problem)
        except Exception:
            log.exception("a connection was closed by a fault of the sandbox")
        finally:
            wire.drop()
            self._wires.discard(wire)
            self._tasks.discard(task)

    def _shake_hands(self, wire: Wire, handshake: Handshake, packet: bytes) -> None:
        length = struct.unpack("<i", packet[16:20])[0]
        request = BinaryReader(packet[20 : 20 + length]).tgread_object()
        if isinstance(request, types.MsgsAck):
            return
        answer, key = handshake.answer(request)
        if key is not None:
            self.keys[key.id] = key
        body, now = bytes(answer), time.time()
        message_id = (int(now) << 32) | (int(now % 1 * (1 << 32)) & ~3) | 1
        wire.send(struct.pack("<qqi", 0, message_id, len(body)) + body)

    def _hear(self, wire: Wire, packet: bytes) -> None:
        key = self.keys.get(packet[:8])
        if key is None:
            wire.send(UNKNOWN_KEY)
            return
        session_id, message_id, body = key.open(packet)
        session = key.sessions.setdefault(session_id, Session(key, session_id))
        session.wire = wire
        if not session.greeted:
            session.greeted = True
            greeting = types.NewSessionCreated(message_id, session_id, key.salt)
            session.send(bytes(greeting), reply=False)
        for inner_id, inner in messages_in(message_id, body):
            self._take(session, inner_id, inner)

    def _take(self, session: Session, message_id: int, body: bytes) -> None:
        try:
            said = BinaryReader(body).tgread_object()
            if isinstance(said, GzipPacked):
                said = BinaryReader(said.data).tgread_object()
        except TypeNotFoundError:
            self._reply(session, message_id, RpcRefusal(400, "INPUT_METHOD_INVALID"))
            return
        match said:
            case types.MsgsAck():
                self.answers.postboxes.acknowledged(session, said.msg_ids)
            case functions.PingRequest() | functions.PingDelayDisconnectRequest():
                session.send(bytes(types.Pong(message_id, said.ping_id)), content=False)
            case types.MsgsStateInfo() | types.MsgsStateReq() | functions.DestroySessionRequest():
                pass
            case _:
                self._spawn(self._answer(session, message_id, self._unwrapped(session, said)))

    def _unwrapped(self, session: Session, request: Any) -> Any:
        wants_updates = True
        while isinstance(request, WRAPPERS):
            if isinstance(request, functions.InitConnectionRequest):
                session.key.initialized = True
            elif isinstance(request, functions.InvokeWithoutUpdatesRequest):
                wants_updates = False
            request = request.query
        if wants_updates and not session.wants_updates and not isinstance(request, functions.help.GetConfigRequest):
            session.wants_updates = True
        return request

    # A request

    async def _answer(self, session: Session, message_id: int, request: Any) -> None:
        call = self.answers.open(session, request)
        if call.delay_s:
            session.send(bytes(types.MsgsAck([message_id])), content=False)
        if call.drop_before:
            return self._drop(session)
        result: Any
        try:
            result = await call.run()
        except RpcRefusal as refusal:
            result = refusal
        except Exception as fault:
            log.exception("%s failed", type(request).__name__)
            result = RpcRefusal(500, f"SANDBOX_{type(fault).__name__.upper()}")
        if call.drop_after:
            return self._drop(session)
        if call.delay_s:
            await asyncio.sleep(call.delay_s)
        return self._reply(session, message_id, result)

    def _drop(self, session: Session) -> None:
        if session.wire is not None:
            session.wire.drop()

    def _reply(self, session: Session, message_id: int, result: Any) -> None:
        if isinstance(result, RpcRefusal):
            body = bytes(types.RpcError(result.code, str(result)))
        else:
            body = written(result)
            if len(body) > GZIP_OVER and len(packed := bytes(GzipPacked(body))) < len(body):
                body = packed
        with contextlib.suppress(OSError):
            session.send(struct.pack("<Iq", RpcResult.CONSTRUCTOR_ID, message_id) + body)


async def open_server(checkout: Checkout, port: int, key_path: str) -> MtprotoServer:
    """Listening, with its public key written to that file, if any."""
    server = MtprotoServer(Answers(checkout, Postboxes()), port=port)
    if key_path:
        Path(key_path).write_text(server.key.public_pem, encoding="ascii")
    await server.start()
    return server
