"""What CONSOLE_USERS_JSON may say: who works at the console, with which password, and what they may do."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from adapters.passwords import PasswordHash
from entrypoints.setting_values import json_of

_SHAPE = 'must be a JSON object, {"ada": "scrypt:…", "bo": {"hash": "scrypt:…", "role": "viewer"}}'
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", re.ASCII)


class Role(StrEnum):
    """A viewer sees everything that an operator sees, and changes nothing."""

    VIEWER = "viewer"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleUser:
    name: str
    password: PasswordHash = field(repr=False)
    role: Role


class _Given(msgspec.Struct, forbid_unknown_fields=True):
    hash: str
    role: Role = Role.OPERATOR


def console_users(text: str) -> Mapping[str, ConsoleUser]:
    """Raises ValueError, which repeats no hash."""
    given = json_of(dict[str, str | _Given], text, _SHAPE)
    users = {}
    for number, (name, one) in enumerate(given.items(), 1):
        if not _NAME.fullmatch(name):
            raise ValueError("names are 1-64 of A-Z, a-z, 0-9 and . _ @ -, and begin with a letter or a digit")
        written, role = (one, Role.OPERATOR) if isinstance(one, str) else (one.hash, one.role)
        try:
            users[name] = ConsoleUser(name=name, password=PasswordHash.read(written), role=role)
        except ValueError as problem:
            raise ValueError(f"of user {number}, what stands as the password {problem}") from None
    return users
