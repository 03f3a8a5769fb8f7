"""`tollgram console hash`."""

import hmac
import secrets
import sys
from getpass import getpass
from typing import Final

from adapters.passwords import LONGEST_PASSWORD, SALT_BYTES, PasswordHash
from entrypoints.cli.failure import WRONG, CommandError

SHORTEST: Final = 12


def make_hash() -> str:
    """A hash of the password that is typed twice without being shown, or that standard input holds."""
    if sys.stdin.isatty():
        password, again = getpass("Password: "), getpass("Once more: ")
        if not hmac.compare_digest(password.encode(), again.encode()):
            raise CommandError("The two are not the same.", "Run it again; nothing was kept.", WRONG)
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not SHORTEST <= len(password) <= LONGEST_PASSWORD:
        raise CommandError(
            f"A password for the console has {SHORTEST} to {LONGEST_PASSWORD} characters.",
            "A few words that do not belong together are easy to keep in mind.",
            WRONG,
        )
    return str(PasswordHash.of(password, secrets.token_bytes(SALT_BYTES)))
