"""How client and server come to a key that both know and nobody else. https://core.telegram.org/mtproto/auth_key

Telethon encrypts its first block in the older way, without RSA_PAD, and so it is read here.
"""

import hashlib
import os
import secrets
import struct
import time
from dataclasses import dataclass
from typing import Any, Final

from telethon.crypto import AES
from telethon.errors import TypeNotFoundError
from telethon.extensions import BinaryReader
from telethon.tl import functions, types

from entrypoints.sandbox.mtproto.rsa_key import ServerKey
from entrypoints.sandbox.mtproto.sessions import AuthKey
from entrypoints.sandbox.mtproto.transport import ProtocolError

# The 2048-bit safe prime and the generator that the protocol's documents show.
PRIME: Final = int(
    "C71CAEB9C6B1C9048E6C522F70F13F73980D40238E3E21C14934D037563D930F48198A0AA7C14058"
    "229493D22530F4DBFA336F6E0AC925139543AED44CCE7C3720FD51F69458705AC68CD4FE6B6B13AB"
    "DC9746512969328454F18FAF8C595F642477FE96BB2A941D5BCD1D4AC8CC49880708FA9B378E3C4F"
    "3A9060BEE67CF9A4A4A695811051907E162753B56B0F6B410DBA74D8A84B2A14B3144E0EF1284754"
    "FD17ED950D5965B4B9DD46582DB1178D169C6BC465B0D6FF9CA3928FEF5B9AE4E418FC15E83EBEA0"
    "F87FA9FF5EED70050DED2849F47BF959D956850CE929851F0D8115F635B105EE2E4E15D04B2454BF"
    "6F4FADF034B10403119CD8E3B92FCC5B",
    16,
)
GENERATOR: Final = 3
FAR_FROM_THE_EDGE: Final = 1 << 1984
SMALL_PRIMES: Final = (65_537, 65_539, 65_543, 65_551, 65_557, 65_563)
"""Two of them make the number that a client factors to show that it means it."""


@dataclass(slots=True)
class Handshake:
    """One client's, from its first request to the key; each step only after the one before it."""

    key: ServerKey
    _nonces: tuple[int, int] | None = None
    _factors: tuple[int, int] = (0, 0)
    _new_nonce: bytes = b""
    _aes: tuple[bytes, bytes] | None = None
    _secret: int = 0

    def answer(self, request: Any) -> tuple[Any, AuthKey | None]:
        """The server's next word, and the key once there is one. Raises ProtocolError."""
        match request:
            case functions.ReqPqMultiRequest() | functions.ReqPqRequest():
                return self._begin(request), None
            case functions.ReqDHParamsRequest():
                self._check_nonces(request)
                return self._offer(request), None
            case functions.SetClientDHParamsRequest():
                self._check_nonces(request)
                return self._agree(request)
            case _:
                raise ProtocolError(f"{type(request).__name__} before there is a key")

    def _check_nonces(self, request: Any) -> None:
        if (request.nonce, request.server_nonce) != self._nonces:
            raise ProtocolError("nonces of another handshake")

    def _begin(self, request: Any) -> Any:
        one, other = sorted(secrets.SystemRandom().sample(SMALL_PRIMES, 2))
        self._factors = (one, other)
        self._nonces = (request.nonce, int.from_bytes(os.urandom(16), "little", signed=True))
        return types.ResPQ(request.nonce, self._nonces[1], (one * other).to_bytes(8, "big"), [self.key.fingerprint])

    def _offer(self, request: Any) -> Any:
        if request.public_key_fingerprint != self.key.fingerprint:
            raise ProtocolError("encrypted for another server's key")
        if (int.from_bytes(request.p, "big"), int.from_bytes(request.q, "big")) != self._factors:
            raise ProtocolError("a wrong factorization")
        inner = self._read_inner(self.key.decrypt(request.encrypted_data)[1:])
        assert self._nonces is not None  # noqa: S101 (checked by whoever calls this)
        self._new_nonce = inner.new_nonce.to_bytes(32, "little", signed=True)
        server_nonce = self._nonces[1].to_bytes(16, "little", signed=True)
        first, second = _sha1(self._new_nonce + server_nonce), _sha1(server_nonce + self._new_nonce)
        self._aes = first + second[:12], second[12:] + _sha1(self._new_nonce * 2) + self._new_nonce[:4]
        while True:
            self._secret = int.from_bytes(os.urandom(256), "big")
            ours = pow(GENERATOR, self._secret, PRIME)
            if FAR_FROM_THE_EDGE <= ours <= PRIME - FAR_FROM_THE_EDGE:
                break
        prime, now = PRIME.to_bytes(256, "big"), int(time.time())
        data = bytes(types.ServerDHInnerData(*self._nonces, GENERATOR, prime, ours.to_bytes(256, "big"), now))
        data = _sha1(data) + data
        data += os.urandom(-len(data) % 16)
        return types.ServerDHParamsOk(*self._nonces, AES.encrypt_ige(data, *self._aes))

    def _read_inner(self, block: bytes) -> Any:
        try:
            inner = BinaryReader(block[20:]).tgread_object()
        except (TypeNotFoundError, struct.error, BufferError):
            raise ProtocolError("a first block that says nothing") from None
        known = isinstance(inner, types.PQInnerData | types.PQInnerDataDc)
        if not known or _sha1(bytes(inner)) != block[:20] or (inner.nonce, inner.server_nonce) != self._nonces:
            raise ProtocolError("a first block that is not what it says")
        return inner

    def _agree(self, request: Any) -> tuple[Any, AuthKey | None]:
        if self._aes is None or self._nonces is None:
            raise ProtocolError("the client's half before ours")
        plain = AES.decrypt_ige(request.encrypted_data, *self._aes)
        inner = BinaryReader(plain[20:]).tgread_object()
        if not isinstance(inner, types.ClientDHInnerData) or _sha1(bytes(inner)) != plain[:20]:
            raise ProtocolError("a client's half that is not what it says")
        theirs = int.from_bytes(inner.g_b, "big")
        if not FAR_FROM_THE_EDGE <= theirs <= PRIME - FAR_FROM_THE_EDGE:
            raise ProtocolError("a client's half at the edge")
        key = AuthKey(pow(theirs, self._secret, PRIME).to_bytes(256, "big"))
        # Telethon strips zero bytes from the front of a key; once in 256 times it is asked to try again instead.
        done, answer = (1, types.DhGenOk) if key.data[0] else (2, types.DhGenRetry)
        digest = _sha1(self._new_nonce + bytes([done]) + key.auxiliary)[4:20]
        told = answer(*self._nonces, int.from_bytes(digest, "little", signed=True))
        return told, key if done == 1 else None


def _sha1(data: bytes) -> bytes:
    return hashlib.sha1(data).digest()  # noqa: S324 (the protocol's own choice)
