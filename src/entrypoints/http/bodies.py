"""Bodies, read within a limit and decoded strictly: no field is guessed, none is ignored, all mistakes are told.

And what stands in a request beside its body: numbers, times and keys, each refused by its name where it is wrong.
"""

import json
import re
from collections import Counter
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

import msgspec
from litestar import Request

from domain.errors import InvalidRequest, TooLarge
from entrypoints.http.headers import Arriving, all_of, one_of
from entrypoints.http.problems import BadBody, Mistake, UnsupportedMediaType

MAX_BODY_BYTES = 64 << 10
MAX_LONG_BODY_BYTES = 1 << 20
LONGEST_NAME_TOLD = 64
LONGEST_DETAIL_TOLD = 256
LONGEST_ID = 256
"""As long as a charge id of Telegram may be."""

Body = TypeVar("Body", bound=msgspec.Struct)
Choice = TypeVar("Choice", bound=StrEnum)
_KEY = re.compile(r"[!-~]{1,255}", re.ASCII)
_AT = " - at `$"
_STEP = re.compile(r"\[(\d+)\]|\.(\w+)", re.ASCII)


class JsonText(bytes):
    """A whole body, not yet decoded."""


async def read_body(request: Arriving, at_most: int = MAX_BODY_BYTES) -> bytes:
    """The body as it came, of at most that many bytes.

    Raises TooLarge as soon as there are more, UnsupportedMediaType for a compressed one, and InvalidRequest where the
    caller goes away in the middle of it.
    """
    if one_of(request, b"content-encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("Compressed bodies are not taken.")
    if int(one_of(request, b"content-length", "0")) > at_most:
        raise TooLarge(f"The body is larger than {at_most} bytes.")
    chunks, size, more = [], 0, True
    while more:
        message = await request.receive()
        if message["type"] != "http.request":
            raise InvalidRequest("The body broke off.")
        chunk, more = message["body"], message["more_body"]
        size += len(chunk)
        if size > at_most:
            raise TooLarge(f"The body is larger than {at_most} bytes.")
        chunks.append(chunk)
    return b"".join(chunks)


async def json_text(request: Request[Any, Any, Any]) -> JsonText:
    """The body of a request of ours, which must be called JSON."""
    return await _json_text(request, MAX_BODY_BYTES)


async def long_json_text(request: Request[Any, Any, Any]) -> JsonText:
    """The same, of a request that may ask a thousand things at once."""
    return await _json_text(request, MAX_LONG_BODY_BYTES)


async def _json_text(request: Request[Any, Any, Any], at_most: int) -> JsonText:
    media_type = one_of(request, b"content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise UnsupportedMediaType("The body must be application/json.")
    return JsonText(await read_body(request, at_most))


def decode(text: JsonText, shape: type[Body]) -> Body:
    """Raises BadBody with every mistake in it."""
    fields = _object(text)
    mistakes, values = [], {}
    known = {field.encode_name: field for field in msgspec.structs.fields(shape)}
    for name, field in known.items():
        if name not in fields:
            if field.required:
                mistakes.append(Mistake(_pointer(name), "is missing"))
            continue
        if not _is_text(fields[name]):
            mistakes.append(Mistake(_pointer(name), "holds half of a surrogate pair, which is no text"))
            continue
        try:
            values[field.name] = msgspec.convert(fields[name], field.type, strict=True)
        except msgspec.ValidationError as problem:
            mistakes.append(_mistake(name, str(problem)))
    unknown = [name for name in fields if name not in known]
    mistakes += [Mistake(_pointer(name), f"is not known here; known are {', '.join(known)}") for name in unknown]
    if mistakes:
        raise BadBody(mistakes)
    return shape(**values)


def _mistake(name: str, problem: str) -> Mistake:
    """With its place inside the field, where msgspec tells it: `$[3].user_id` is `/3/user_id`."""
    detail, at, place = problem.rpartition(_AT)
    if at and place.endswith("`"):
        steps = "".join(f"/{index or field}" for index, field in _STEP.findall(place))
        return Mistake(f"{_pointer(name)}{steps}", detail[:LONGEST_DETAIL_TOLD])
    return Mistake(_pointer(name), problem[:LONGEST_DETAIL_TOLD])


def _pointer(name: str) -> str:
    """To a field of the body (RFC 6901), whatever its sender calls it: half of a surrogate pair, which no answer can
    hold, is written out."""
    legible = name[:LONGEST_NAME_TOLD].encode("utf-8", "backslashreplace").decode()
    return "/" + legible.replace("~", "~0").replace("/", "~1")


def _is_text(value: Any) -> bool:
    """Whether it can be written down again: JSON can escape what no text may hold."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _object(text: bytes) -> dict[str, Any]:
    doubled: list[tuple[dict[str, Any], str]] = []

    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        collected = dict(pairs)
        if len(collected) != len(pairs):
            times = Counter(name for name, _ in pairs)
            doubled.extend((collected, name) for name, number in times.items() if number > 1)
        return collected

    try:
        # Decoded here: json.loads would take UTF-16 and half surrogates too. A mark of the byte order does no harm.
        decoded = json.loads(text.decode("utf-8-sig"), object_pairs_hook=collect, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise BadBody([Mistake("", "is no JSON")]) from None
    if not isinstance(decoded, dict):
        raise BadBody([Mistake("", "must be a JSON object")])
    if doubled:
        raise BadBody([_twice(name, at_the_top=holder is decoded) for holder, name in doubled])
    return decoded


def _twice(name: str, *, at_the_top: bool) -> Mistake:
    pointer = _pointer(name)
    return Mistake(pointer, "is there twice") if at_the_top else Mistake("", f"holds {pointer[1:]} twice in one place")


def _no_number(name: str) -> float:
    raise ValueError(name)


def bounded(text: str | None, default: int, least: int, most: int, name: str) -> int:
    """A whole number from the query. Raises InvalidRequest, naming it."""
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= max(9, len(str(most))) and least <= int(text) <= most):
        raise InvalidRequest(f"{name} must be a whole number from {least} to {most}.")
    return int(text)


def flag(text: str | None, name: str) -> bool:
    """`true` or `false` from the query; without it, false. Raises InvalidRequest, naming it."""
    if text not in (None, "true", "false"):
        raise InvalidRequest(f"{name} must be true or false.")
    return text == "true"


def choice(text: str | None, among: type[Choice], name: str) -> Choice | None:
    """A word from the query, one of a few. Raises InvalidRequest, naming it and them."""
    try:
        return None if text is None else among(text)
    except ValueError:
        *words, last = among
        raise InvalidRequest(f"{name} must be {', '.join(words)} or {last}.") from None


def id_asked(text: str | None, name: str) -> str | None:
    """From the query; nobody need have it. Raises InvalidRequest, naming it, where nobody can."""
    if text is not None and (not 1 <= len(text) <= LONGEST_ID or "\0" in text):  # which PostgreSQL keeps in no text
        raise InvalidRequest(f"{name} must have 1 to {LONGEST_ID} characters, none of them NUL.")
    return text


def moment(text: str) -> datetime:
    """An RFC 3339 time with its zone, in UTC. Raises ValueError."""
    # A space is what a query makes of a plus that was not escaped.
    read = msgspec.convert(text.replace(" ", "+"), datetime)
    if read.tzinfo is None:
        raise ValueError("no zone")
    try:
        return read.astimezone(UTC)
    except OverflowError:
        raise ValueError("before or after all years") from None


def moment_asked(text: str | None, name: str) -> datetime | None:
    """From the query. Raises InvalidRequest, naming it."""
    try:
        return None if text is None else moment(text)
    except ValueError:
        raise InvalidRequest(f"{name} must be a time as in 2026-11-22T12:00:00Z, with its zone.") from None


def idempotency_key(request: Request[Any, Any, Any]) -> str | None:
    """The caller's own key of this request. Raises InvalidRequest."""
    keys = all_of(request, b"idempotency-key")
    if not keys:
        return None
    if len(keys) > 1 or not _KEY.fullmatch(keys[0]):
        raise InvalidRequest("Idempotency-Key must be one of 1 to 255 printable characters of ASCII, without spaces.")
    return keys[0]
