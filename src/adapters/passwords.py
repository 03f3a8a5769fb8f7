"""Passwords of persons, kept as scrypt hashes: `scrypt:15:8:3:<salt>:<hash>`.

No dollar sign stands in one: shells, systemd and Compose would take what follows it for a variable.
"""

import hashlib
import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Final, Self

LOG_N: Final = 15
BLOCK: Final = 8
PARALLEL: Final = 3
"""32 MiB, three times: what OWASP's Password Storage Cheat Sheet names, with the least memory."""
SALT_BYTES: Final = 16
HASH_BYTES: Final = 32
MOST_MEMORY: Final = 256 << 20
LONGEST_PASSWORD: Final = 1024
_WRITTEN = re.compile(r"scrypt:(\d{1,2}):(\d{1,2}):(\d{1,2}):([A-Za-z0-9_-]{22}):([A-Za-z0-9_-]{43})", re.ASCII)


@dataclass(frozen=True, slots=True)
class PasswordHash:
    log_n: int
    block: int
    parallel: int
    salt: bytes = field(repr=False)
    digest: bytes = field(repr=False)

    @classmethod
    def of(cls, password: str, salt: bytes) -> Self:
        """A new one; `salt` is 16 bytes that nobody can guess."""
        digest = _scrypt(password, salt, LOG_N, BLOCK, PARALLEL)
        return cls(LOG_N, BLOCK, PARALLEL, salt, digest)

    @classmethod
    def read(cls, text: str) -> Self:
        """Raises ValueError, without repeating it, where it is none, or one that is no harder to guess than a word."""
        written = _WRITTEN.fullmatch(text)
        if written is None:
            raise ValueError("is no hash; `tollgram console hash` makes them")
        log_n, block, parallel = int(written[1]), int(written[2]), int(written[3])
        if not (log_n >= LOG_N and block >= BLOCK and parallel and (128 * block << log_n) * 2 <= MOST_MEMORY):
            raise ValueError("is a hash that is too weak or too large; `tollgram console hash` makes good ones")
        return cls(log_n, block, parallel, _bytes(written[4]), _bytes(written[5]))

    def __str__(self) -> str:
        parts = (f"{self.log_n}", f"{self.block}", f"{self.parallel}", _text(self.salt), _text(self.digest))
        return ":".join(("scrypt", *parts))

    def fits(self, password: str) -> bool:
        """Whether it is of this password. Takes a tenth of a second or more, whatever the password is."""
        tried = _scrypt(password[:LONGEST_PASSWORD], self.salt, self.log_n, self.block, self.parallel)
        return hmac.compare_digest(tried, self.digest)


def _scrypt(password: str, salt: bytes, log_n: int, block: int, parallel: int) -> bytes:
    words = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(words, salt=salt, n=1 << log_n, r=block, p=parallel, maxmem=MOST_MEMORY, dklen=HASH_BYTES)


def _text(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
