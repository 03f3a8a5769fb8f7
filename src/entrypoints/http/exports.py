"""Lists as files, written while they are read: a page after the other, so that no length of a list fills the memory.

Each page is a read of its own, so that a slow reader holds no connection to the database. What is added meanwhile is
newer than where the export began, and not in it.
"""

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from io import StringIO
from typing import Any, Final

import msgspec
from litestar.response import Stream

from application.ports.pages import Page
from entrypoints.http.bodies import choice

EXPORT_PAGE: Final = 500

Rows = Sequence[msgspec.Struct]
Find = Callable[[Page], tuple[Rows, str | None]]


class Form(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"


MEDIA_TYPES: Final = {Form.CSV: "text/csv", Form.JSONL: "application/x-ndjson"}

# What a spreadsheet takes for a formula: at the beginning of a cell, or where another separator than ours begins one.
_FORMULA = re.compile(r"""(^|[;,|\t\r\n])(["' ]*)(?=[=+\-@\t\r\uFF1D\uFF0B\uFF0D\uFF20])""")


def form_of(text: str | None) -> Form:
    """CSV, unless something else is asked for. Raises InvalidRequest."""
    return choice(text, Form, "format") or Form.CSV


def export(name: str, shape: type[msgspec.Struct], find: Find, form: Form) -> Stream:
    """Everything that `find` finds. Raises what its first page raises; a later one that fails breaks the answer off,
    so that nobody takes a part for the whole."""
    pages = pages_of(find)
    first = next(pages)
    write = csv_lines(shape) if form is Form.CSV else json_lines
    headers = {"Content-Disposition": f'attachment; filename="{name}.{form}"', "Cache-Control": "no-store"}
    return Stream(_written(first, pages, write), media_type=MEDIA_TYPES[form], headers=headers)


def pages_of(find: Find) -> Iterator[Rows]:
    """One page after the other, each found when it is asked for."""
    cursor: str | None = None
    while True:
        found, cursor = find(Page(limit=EXPORT_PAGE, cursor=cursor))
        yield found
        if cursor is None:
            return


def csv_lines(shape: type[msgspec.Struct]) -> Callable[[Rows], bytes]:
    """RFC 4180, the first time with a line of names. No cell is a formula."""
    names = [field.encode_name for field in msgspec.structs.fields(shape)]
    head = [names]

    def write(rows: Rows) -> bytes:
        text = StringIO(newline="")
        lines = csv.writer(text, lineterminator="\r\n")
        lines.writerows(head)
        head.clear()
        lines.writerows([_cell(value) for value in _values(row, names)] for row in rows)
        return text.getvalue().encode()

    return write


def json_lines(rows: Rows) -> bytes:
    return msgspec.json.Encoder().encode_lines(rows)


def inert(text: str) -> str:
    """With an apostrophe before whatever a spreadsheet would take for the beginning of a formula."""
    return _FORMULA.sub(r"\1\2'", text)


def _written(first: Rows, pages: Iterator[Rows], write: Callable[[Rows], bytes]) -> Iterator[bytes]:
    yield write(first)
    for page in pages:
        yield write(page)


def _values(row: msgspec.Struct, names: Sequence[str]) -> list[Any]:
    fields: dict[str, Any] = msgspec.to_builtins(row)
    return [fields[name] for name in names]


def _cell(value: Any) -> Any:
    return "" if value is None else inert(value) if isinstance(value, str) else value
