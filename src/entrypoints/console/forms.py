"""What a form of ours brings, and whether it comes from a page of ours at all."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from litestar import Request

from domain.errors import InvalidRequest
from entrypoints.http.bodies import read_body
from entrypoints.http.problems import UnsupportedMediaType

AnyRequest = Request[Any, Any, Any]
HOME: Final = "/console"
MOST_FIELDS: Final = 50
LONGEST_REASON: Final = 500
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_ONCE = re.compile(r"[A-Za-z0-9_-]{22}", re.ASCII)
_OURS = re.compile(r"/console(?:[/?][!-\[\]-~]*)?", re.ASCII)
_DID = re.compile(r"[?&]did=[A-Za-z0-9_-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Form:
    """What was sent, each field once."""

    fields: Mapping[str, str]

    def text(self, name: str, *, otherwise: str = "", at_most: int = LONGEST_REASON) -> str:
        """What stands there, without spaces around it. Raises InvalidRequest where it is too long."""
        found = self.fields.get(name, "").replace("\r\n", "\n").strip()
        if len(found) > at_most:
            raise InvalidRequest(f"{name.replace('_', ' ').capitalize()} is longer than {at_most} characters.")
        return found or otherwise

    def needed(self, name: str, sentence: str, *, at_most: int = LONGEST_REASON) -> str:
        """The same; raises InvalidRequest with that sentence where nothing stands there."""
        if not (found := self.text(name, at_most=at_most)):
            raise InvalidRequest(sentence)
        return found

    @property
    def token(self) -> str:
        return self.fields.get("token", "")

    @property
    def once(self) -> str:
        """By which a form that is sent twice is known. Raises InvalidRequest."""
        once = self.fields.get("once", "")
        if not _ONCE.fullmatch(once):
            raise InvalidRequest("The form is not one of ours. Load the page again.")
        return once

    @property
    def back(self) -> str:
        """The page on which the form stood."""
        return ours(self.fields.get("back", ""))


def ours(path: str) -> str:
    """That place where it is a page of the console, and else its first page: nobody is sent elsewhere by us."""
    path = _DID.sub("", path)
    return path if _OURS.fullmatch(path) else HOME


async def read_form(request: AnyRequest) -> Form:
    """Raises InvalidRequest, TooLarge or UnsupportedMediaType."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise UnsupportedMediaType("A form is sent as application/x-www-form-urlencoded.")
    body = await read_body(request)
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            errors="strict",
            max_num_fields=MOST_FIELDS,
        )
    except ValueError:
        raise InvalidRequest("The form can't be read.") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise InvalidRequest("The form has a field twice.")
    return Form(fields)


def from_our_own_page(request: AnyRequest, public_url: str) -> bool:
    """Whether the browser says that a page of ours sent it. Every browser says so of a form that is posted."""
    origins = request.headers.getall("origin", [])
    site = request.headers.get("sec-fetch-site", "same-origin")
    if len(origins) != 1 or site != "same-origin":
        return False
    if origins[0] == origin_of(public_url):
        return True
    # Through a tunnel to this machine, say, beside the address by which the world has it.
    try:
        parts = urlsplit(origins[0])
        here = parts.scheme == "http" and parts.hostname in LOOPBACK
        return here and parts.netloc == request.headers.get("host")
    except ValueError:
        return False


def origin_of(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}".lower()
