"""Which language a user reads, as Telegram tells it."""

import re
from typing import Any

DEFAULT = "en"
_TAG = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}", re.ASCII)


def language_of(tag: Any) -> str:
    """An IETF tag in small letters ("en", "pt-br"); English for anything that is none."""
    return tag.lower() if isinstance(tag, str) and _TAG.fullmatch(tag) else DEFAULT
