"""The key by which a client knows that it speaks with this server."""

import hashlib
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from telethon.tl.tlobject import TLObject

BITS: Final = 2048
EXPONENT: Final = 65537
BLOCK: Final = BITS // 8


@dataclass(frozen=True, slots=True)
class ServerKey:
    _key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(EXPONENT, BITS))

    @property
    def public_pem(self) -> str:
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1).decode()

    @property
    def fingerprint(self) -> int:
        """https://core.telegram.org/mtproto/auth_key: the lower 64 bits of SHA-1 over modulus and exponent."""
        numbers = self._key.public_key().public_numbers()
        return int.from_bytes(hashlib.sha1(_field(numbers.n) + _field(numbers.e)).digest()[-8:], "little", signed=True)  # noqa: S324

    def decrypt(self, block: bytes) -> bytes:
        """Textbook RSA, as the protocol has it; 256 bytes."""
        numbers = self._key.private_numbers()
        plain = pow(int.from_bytes(block, "big"), numbers.d, numbers.public_numbers.n)
        return plain.to_bytes(BLOCK, "big")


def _field(number: int) -> bytes:
    written: bytes = TLObject.serialize_bytes(number.to_bytes((number.bit_length() + 7) // 8, "big"))
    return written
