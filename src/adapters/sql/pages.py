"""Pages of a list: the place of its last row, as an opaque text."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Final

from domain.errors import InvalidRequest

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PLACE = re.compile(r"(-?[0-9]{1,18}) ([A-Za-z0-9_-]{1,80})", re.ASCII)


def write_cursor(at: datetime, id: str) -> str:
    place = f"{(at - _EPOCH) // timedelta(microseconds=1)} {id}"
    return urlsafe_b64encode(place.encode()).rstrip(b"=").decode()


def read_cursor(cursor: str) -> tuple[datetime, str]:
    """Raises InvalidRequest for anything that `write_cursor` can't have written."""
    try:
        place = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)).decode("ascii")
        if written := _PLACE.fullmatch(place):
            return _EPOCH + timedelta(microseconds=int(written[1])), written[2]
    except (ValueError, OverflowError):
        pass
    raise InvalidRequest("The cursor is none of ours.")
