"""Texts of bots: HTML becomes entities, as Telegram reads it. Offsets count UTF-16 units, byte offsets UTF-8."""

import re
from dataclasses import dataclass
from html import unescape

from entrypoints.sandbox.people import Json
from entrypoints.sandbox.refusal import Refusal, bad_request

LONGEST_TEXT = 4096
_TAGS = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "tg-spoiler": "spoiler",
    "span": "spoiler",
    "code": "code",
    "pre": "pre",
    "a": "text_link",
    "blockquote": "blockquote",
    "tg-emoji": "custom_emoji",
}
_TAG = re.compile(r"<(/?)([^\s>]*)")
_REST_OF_TAG = re.compile(r"((?:[^>\"']|\"[^\"]*\"|'[^']*')*)>")
_ATTRIBUTE = re.compile(r"([A-Za-z-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))")
_KNOWN_REFERENCE = re.compile(r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|lt|gt|amp|quot);")
_COMMAND = re.compile(r"(?<![\w/<>])/[A-Za-z0-9_]{1,64}(?:@\w{3,32})?(?![\w/<>])")
_LINK = re.compile(r"https?://[^\s<>\"]+")


@dataclass(slots=True)
class _Open:
    tag: str
    entity: Json
    start: int
    at_byte: int


def read(text: str, parse_mode: str) -> tuple[str, list[Json]]:
    """The plain text and its entities, or a refusal in Telegram's words."""
    mode = parse_mode.lower()
    if mode not in {"", "none", "html"}:
        raise bad_request("the sandbox reads no parse_mode but HTML")
    plain, entities = _read_html(text) if mode == "html" else (text, [])
    plain, entities = _trim(plain, entities)
    if not plain:
        raise bad_request("message text is empty")
    if len(plain) > LONGEST_TEXT:
        raise bad_request("message is too long")
    return plain, entities + _found_by_itself(plain, entities)


def commands_in(text: str) -> list[Json]:
    """Entities of what a user typed."""
    return _found_by_itself(text, [])


def _read_html(text: str) -> tuple[str, list[Json]]:
    plain: list[str] = []
    length = position = 0
    entities: list[Json] = []
    nested: list[_Open] = []

    def take(piece: str) -> None:
        nonlocal length
        known = _KNOWN_REFERENCE.sub(lambda found: unescape(found.group()), piece)
        plain.append(known)
        length += utf16(known)

    while (at := text.find("<", position)) >= 0:
        take(text[position:at])
        byte = len(text[:at].encode("utf-8", "surrogatepass"))
        closing, tag, rest, position = _tag(text, at, byte)
        if closing:
            if not nested:
                raise _cannot("Unexpected end tag", byte)
            opened = nested.pop()
            if tag and tag != opened.tag:
                raise _cannot("Unmatched end tag", byte, f', expected "</{opened.tag}>", found "</{tag}>"')
            if length > opened.start:
                entities.append(opened.entity | {"offset": opened.start, "length": length - opened.start})
        else:
            nested.append(_Open(tag, _entity(tag, rest, byte), length, byte))
    take(text[position:])
    if nested:
        tag = nested[-1].tag
        raise bad_request(f"can't parse entities: Can't find end tag corresponding to start tag \"{tag}\"")
    entities.sort(key=lambda entity: (entity["offset"], -entity["length"]))
    return "".join(plain), [entity for entity in entities if entity["type"] != "text_link" or entity.get("url")]


def _tag(text: str, at: int, byte: int) -> tuple[bool, str, str, int]:
    """(closing, name, attributes, where the text goes on)"""
    begin = _TAG.match(text, at)
    assert begin is not None  # noqa: S101 (a less-than sign stands there)
    closing, name = bool(begin.group(1)), begin.group(2).lower()
    what = "end" if closing else "start"
    if begin.end() == len(text):
        raise _cannot(f"Unclosed {what} tag", byte)
    if not closing and name not in _TAGS:
        raise bad_request(f'can\'t parse entities: Unsupported start tag "{name}" at byte offset {byte}')
    rest = _REST_OF_TAG.match(text, begin.end())
    if rest is None:
        raise _cannot(f"Unclosed {what} tag", byte)
    return closing, name, rest.group(1), rest.end()


def _entity(tag: str, rest: str, byte: int) -> Json:
    attributes = {name.lower(): unescape(one or two or three) for name, one, two, three in _ATTRIBUTE.findall(rest)}
    if tag == "span" and attributes.get("class") != "tg-spoiler":
        raise _cannot('Tag "span" must have class "tg-spoiler"', byte)
    if tag == "a":
        return {"type": "text_link", "url": attributes.get("href", "")}
    if tag == "tg-emoji":
        return {"type": "custom_emoji", "custom_emoji_id": attributes.get("emoji-id", "")}
    if tag == "blockquote" and "expandable" in rest:
        return {"type": "expandable_blockquote"}
    return {"type": _TAGS[tag]}


def _cannot(what: str, byte: int, more: str = "") -> Refusal:
    return bad_request(f"can't parse entities: {what} at byte offset {byte}{more}")


def _trim(text: str, entities: list[Json]) -> tuple[str, list[Json]]:
    cut = utf16(text) - utf16(text.lstrip())
    text = text.strip()
    end = utf16(text)
    kept = []
    for entity in entities:
        start = max(0, entity["offset"] - cut)
        stop = min(end, entity["offset"] + entity["length"] - cut)
        if stop > start:
            kept.append(entity | {"offset": start, "length": stop - start})
    return text, kept


def _found_by_itself(text: str, taken: list[Json]) -> list[Json]:
    """Commands and links that Telegram marks unasked."""
    busy = [(entity["offset"], entity["offset"] + entity["length"]) for entity in taken]
    found = []
    for kind, pattern in (("bot_command", _COMMAND), ("url", _LINK)):
        for match in pattern.finditer(text):
            offset, length = utf16(text[: match.start()]), utf16(match.group())
            if not any(start < offset + length and offset < stop for start, stop in busy):
                found.append({"type": kind, "offset": offset, "length": length})
                busy.append((offset, offset + length))
    return sorted(found, key=lambda entity: int(str(entity["offset"])))


def utf16(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
