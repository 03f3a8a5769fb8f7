"""What is encrypted between a client and the server, and to whom it belongs.

https://core.telegram.org/mtproto/description
"""

import hashlib
import os
import struct
import time
from dataclasses import dataclass, field
from typing import Any, Final

from telethon.crypto import AES
from telethon.tl.core import MessageContainer

from entrypoints.sandbox.mtproto.transport import FullTransport, ProtocolError
from entrypoints.sandbox.people import Bot

OF_CLIENT, OF_SERVER = 0, 8
TRUE: Final = struct.pack("<I", 0x997275B5)
FALSE: Final = struct.pack("<I", 0xBC799737)
VECTOR: Final = 0x1CB5C415
LEAST_PADDING, MOST_PADDING = 12, 1024


class Wire:
    """One TCP connection, as long as it holds."""

    def __init__(self, transport: FullTransport, writer: Any) -> None:
        self._transport = transport
        self._writer = writer
        self.alive = True

    def send(self, data: bytes) -> None:
        if self.alive:
            self._writer.write(self._transport.pack(data))

    def drop(self) -> None:
        self.alive = False
        self._writer.transport.abort()


@dataclass(slots=True, eq=False)
class AuthKey:
    """What both sides encrypt with; kept over connections. `bot` is who has logged in by it."""

    data: bytes
    bot: Bot | None = None
    initialized: bool = False
    sessions: "dict[int, Session]" = field(default_factory=dict)
    salt: int = field(default_factory=lambda: int.from_bytes(os.urandom(8), "little", signed=True))

    @property
    def id(self) -> bytes:
        return hashlib.sha1(self.data).digest()[-8:]  # noqa: S324 (the protocol's own choice)

    @property
    def auxiliary(self) -> bytes:
        return hashlib.sha1(self.data).digest()[:8]  # noqa: S324

    def aes(self, message_key: bytes, side: int) -> tuple[bytes, bytes]:
        one = _sha256(message_key + self.data[side : side + 36])
        other = _sha256(self.data[40 + side : 76 + side] + message_key)
        return one[:8] + other[8:24] + one[24:32], other[:8] + one[8:24] + other[24:32]

    def open(self, packet: bytes) -> tuple[int, int, bytes]:
        """Session, message id and body of what a client sent. Raises ProtocolError."""
        message_key, data = packet[8:24], packet[24:]
        plain = AES.decrypt_ige(data[: len(data) // 16 * 16], *self.aes(message_key, OF_CLIENT))
        if _sha256(self.data[88:120] + plain)[8:24] != message_key:
            raise ProtocolError("a message that was changed on its way")
        _, session_id, message_id, _, length = struct.unpack("<qqqii", plain[:32])
        if length % 4 or not LEAST_PADDING <= len(plain) - 32 - length <= MOST_PADDING:
            raise ProtocolError("a message of a wrong length")
        return session_id, message_id, plain[32 : 32 + length]


@dataclass(slots=True, eq=False)
class Session:
    """A client's run of messages. A client that connects anew has a new one."""

    key: AuthKey
    id: int
    wire: Wire | None = None
    greeted: bool = False
    wants_updates: bool = False
    _content_sent: int = 0
    _last_id: int = 0

    @property
    def alive(self) -> bool:
        return self.wire is not None and self.wire.alive

    def send(self, body: bytes, *, content: bool = True, reply: bool = True) -> int:
        """The id of the message, by which the client acknowledges it."""
        message_id, frame = self._frame(body, content=content, reply=reply)
        self._encrypt(frame)
        return message_id

    def _frame(self, body: bytes, *, content: bool, reply: bool) -> tuple[int, bytes]:
        now = time.time()
        base = max((int(now) << 32) | (int(now % 1 * (1 << 32)) & ~3), self._last_id + 4)
        self._last_id = base
        message_id = base | (1 if reply else 3)
        number = 2 * self._content_sent + content
        self._content_sent += content
        return message_id, struct.pack("<qii", message_id, number, len(body)) + body

    def _encrypt(self, frame: bytes) -> None:
        plain = struct.pack("<qq", self.key.salt, self.id) + frame
        plain += os.urandom(-(len(plain) + LEAST_PADDING) % 16 + LEAST_PADDING)
        message_key = _sha256(self.key.data[96:128] + plain)[8:24]
        if self.wire is not None:
            encrypted = AES.encrypt_ige(plain, *self.key.aes(message_key, OF_SERVER))
            self.wire.send(self.key.id + message_key + encrypted)


def written(value: Any) -> bytes:
    """A result as it is sent: an object, a truth, or several objects."""
    if value is True or value is False:
        return TRUE if value else FALSE
    if isinstance(value, list):
        return struct.pack("<Ii", VECTOR, len(value)) + b"".join(bytes(one) for one in value)
    return bytes(value)


def messages_in(message_id: int, body: bytes) -> list[tuple[int, bytes]]:
    """The messages of a container, or the one that it is."""
    if len(body) < 8 or struct.unpack("<I", body[:4])[0] != MessageContainer.CONSTRUCTOR_ID:
        return [(message_id, body)]
    found, at = [], 8
    for _ in range(struct.unpack("<i", body[4:8])[0]):
        inner_id, _, length = struct.unpack("<qii", body[at : at + 16])
        found.append((inner_id, body[at + 16 : at + 16 + length]))
        at += 16 + length
    return found


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
