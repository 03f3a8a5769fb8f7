"""Letters as rows: a message is kept by the name of its class and its fields as JSON."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, get_args

import msgspec

from application.messages import Letter, Message

KINDS: Final[Mapping[str, type[Any]]] = {kind.__name__: kind for kind in get_args(Message)}

_ENCODER = msgspec.json.Encoder()
_DECODERS = {name: msgspec.json.Decoder(kind) for name, kind in KINDS.items()}


class Unreadable(ValueError):
    """A letter that this version of the service can't read."""


def row_of(letter: Letter, now: datetime, cause: str) -> dict[str, Any]:
    return {
        "bot": letter.bot,
        "chat_id": letter.chat_id,
        "language": letter.language,
        "kind": type(letter.message).__name__,
        "body": _body(letter.message),
        "created_at": now,
        "due_at": now,
        "attempts": letter.attempts,
        "cause": cause or None,
    }


def letter_of(row: Any) -> Letter:
    """Raises Unreadable."""
    return Letter(
        bot=row.bot,
        chat_id=row.chat_id,
        language=row.language,
        message=_message(row.kind, row.body),
        id=row.id,
        attempts=row.attempts,
        cause=row.cause or "",
    )


def _body(message: Message) -> str:
    try:
        return _ENCODER.encode(message).decode()
    except UnicodeEncodeError:
        # Half a surrogate pair, which UTF-8 can't write; the standard library escapes it.
        return json.dumps(msgspec.to_builtins(message))


def _message(kind: str, body: str) -> Message:
    try:
        decoded: Message = _DECODERS[kind].decode(body)
    except msgspec.ValidationError as problem:
        raise Unreadable(f"{kind}: {problem}") from problem
    except msgspec.DecodeError as problem:
        return _with_surrogates(kind, body, problem)
    except KeyError as problem:
        raise Unreadable(f"no message is called {kind}") from problem
    return decoded


def _with_surrogates(kind: str, body: str, problem: Exception) -> Message:
    try:
        converted: Message = msgspec.convert(json.loads(body), KINDS[kind])
    except ValueError:
        raise Unreadable(f"{kind}: {problem}") from problem
    return converted
