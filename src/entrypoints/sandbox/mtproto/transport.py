"""Packets of a connection: the "full" transport, which is Telethon's own choice.

https://core.telegram.org/mtproto/mtproto-transports#full
"""

import asyncio
import struct
import zlib
from typing import Final

LARGEST_PACKET: Final = 1 << 24
FRAME: Final = 12


class ProtocolError(Exception):
    """The other side broke the protocol; its connection is closed."""


class FullTransport:
    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._received = self._sent = 0

    async def read(self) -> bytes:
        """The next packet. Raises ProtocolError, and what a connection raises at its end."""
        header = await self._reader.readexactly(8)
        length, number = struct.unpack("<ii", header)
        if not FRAME < length <= LARGEST_PACKET:
            raise ProtocolError(f"a packet of {length} bytes")
        body = await self._reader.readexactly(length - 8)
        if zlib.crc32(header + body[:-4]) != struct.unpack("<I", body[-4:])[0]:
            raise ProtocolError("a wrong checksum")
        if number != self._received:
            raise ProtocolError(f"packet {number} where {self._received} was due")
        self._received += 1
        return body[:-4]

    def pack(self, data: bytes) -> bytes:
        packet = struct.pack("<ii", len(data) + FRAME, self._sent) + data
        self._sent += 1
        return packet + struct.pack("<I", zlib.crc32(packet))
