"""Pages of a list: the place of its last row, as an opaque text."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import Final

from domain.errors import InvalidRequest

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PLACE = re.compile(r"(-?[0-9]{1,18}) ([A-Za-z0-9_-]{1,80})", re.ASCII)


_AMOUNT = re.compile(r"amount ([0-9]{1,18}) ([A-Za-z0-9_-]{1,80})", re.ASCII)


def write_cursor(at: datetime, id: str) -> str:
    return _written(f"{(at - _EPOCH) // timedelta(microseconds=1)} {id}")


def read_cursor(cursor: str) -> tuple[datetime, str]:
    """Raises InvalidRequest for anything that `write_cursor` can't have written."""
    try:
        if written := _PLACE.fullmatch(_read(cursor)):
            return _EPOCH + timedelta(microseconds=int(written[1])), written[2]
    except (ValueError, OverflowError):
        pass
    raise InvalidRequest("The cursor is none of ours.")


def write_amount_cursor(amount: int, id: str) -> str:
    return _written(f"amount {amount} {id}")


def read_amount_cursor(cursor: str) -> tuple[int, str]:
    """Raises InvalidRequest for anything that `write_amount_cursor` can't have written."""
    try:
        if written := _AMOUNT.fullmatch(_read(cursor)):
            return int(written[1]), written[2]
    except ValueError:
        pass
    raise InvalidRequest("The cursor is none of ours.")


def _written(place: str) -> str:
    return urlsafe_b64encode(place.encode()).rstrip(b"=").decode()


def _read(cursor: str) -> str:
    return urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)).decode("ascii")
