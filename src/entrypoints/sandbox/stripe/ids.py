"""Identifiers as Stripe forms them."""

import secrets
import string

API_VERSION = "2026-10-28.endive"
"""How objects look here: the version that the SDK 16.1 asks for."""

_ALPHABET = string.ascii_letters + string.digits


def new_id(prefix: str, length: int = 24) -> str:
    """`prefix` with its underscore and whatever else always follows."""
    return prefix + letters(length)


def session_id(*, livemode: bool) -> str:
    return f"cs_{'live' if livemode else 'test'}_a1{letters(56)}"


def webhook_secret() -> str:
    return "whsec_" + letters(32)


def letters(length: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))
