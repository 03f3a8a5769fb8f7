"""A list as a file: whole, in order, never held in memory, and with nothing in it that a spreadsheet would run."""

import csv
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from io import StringIO
from itertools import islice

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.ports.pages import Page
from domain.errors import InvalidRequest
from entrypoints.http.exports import EXPORT_PAGE, Form, csv_lines, form_of, inert, json_lines, pages_of

DANGEROUS = "=+-@\t\r＝＋－＠"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    text: str | None
    at: datetime


def row(number: int = 1, text: str | None = "x") -> Row:
    return Row(id=number, text=text, at=datetime(2026, 11, 22, 12, tzinfo=UTC))


class Finder:
    """A list of so many pages; `asked` are those that were asked for."""

    def __init__(self, pages: int, asked: list[Page]) -> None:
        self.pages = pages
        self.asked = asked

    def __call__(self, page: Page) -> tuple[Sequence[Row], str | None]:
        self.asked.append(page)
        number = int(page.cursor or "0")
        return [row(number)], str(number + 1) if number + 1 < self.pages else None


def read(written: bytes) -> list[list[str]]:
    return list(csv.reader(StringIO(written.decode(), newline="")))


def test_all_pages_are_found_one_after_the_other_each_when_it_is_asked_for() -> None:
    asked: list[Page] = []
    pages = pages_of(Finder(5, asked))

    first = list(islice(pages, 2))

    assert [found[0] for found in first] == [row(0), row(1)]
    assert asked == [Page(limit=EXPORT_PAGE), Page(limit=EXPORT_PAGE, cursor="1")]
    assert len(list(pages)) == 3
    assert len(asked) == 5


def test_an_empty_list_is_one_page_without_rows() -> None:
    assert list(pages_of(lambda _page: ([], None))) == [[]]
    assert read(csv_lines(Row)([])) == [["id", "text", "at"]]
    assert json_lines([]) == b""


def test_names_stand_once_above_all_pages() -> None:
    write = csv_lines(Row)

    assert read(write([row(1), row(2, None)]) + write([row(3, 'a,"b"\nc;é')])) == [
        ["id", "text", "at"],
        ["1", "x", "2026-11-22T12:00:00Z"],
        ["2", "", "2026-11-22T12:00:00Z"],
        ["3", 'a,"b"\nc;é', "2026-11-22T12:00:00Z"],
    ]


def test_json_lines_hold_every_text_as_it_is() -> None:
    lines = json_lines([row(1, "=cmd"), row(2, "a\nb")]).decode().splitlines()

    assert [json.loads(line)["text"] for line in lines] == ["=cmd", "a\nb"]


@pytest.mark.threat(19)
@pytest.mark.parametrize(
    ("text", "written"),
    [
        pytest.param("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0", id="a command"),
        pytest.param("+1", "'+1", id="plus"),
        pytest.param("-1", "'-1", id="minus"),
        pytest.param("@SUM(A1)", "'@SUM(A1)", id="at"),
        pytest.param("\t=1", "'\t'=1", id="a tab"),
        pytest.param("\r=1", "'\r'=1", id="a carriage return"),
        pytest.param("\n=1", "\n'=1", id="a line break"),
        pytest.param("  =1", "  '=1", id="after spaces"),
        pytest.param("＝1", "'＝1", id="a wide sign, as Japanese keyboards have it"),
        pytest.param("x;=1", "x;'=1", id="behind the separator of other countries"),
        pytest.param('x","=1', 'x","\'=1', id="behind a quote that would end the cell"),
        pytest.param("'=1", "''=1", id="behind an apostrophe that could be taken for ours"),
        pytest.param("a=1", "a=1", id="in the middle it is harmless"),
        pytest.param("stxAAA-_=", "stxAAA-_=", id="as charge ids are"),
        pytest.param("2026-11-22T12:00:00Z", "2026-11-22T12:00:00Z", id="as times are"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_what_looks_like_a_formula_is_inert(text: str, written: str) -> None:
    assert inert(text) == written


@pytest.mark.threat(19)
@given(
    text=st.text(alphabet=st.sampled_from([*DANGEROUS, *" \"';,|\nax1"]), max_size=12),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
)
def test_no_cell_begins_with_one_whatever_separates_them(text: str, delimiter: str) -> None:
    [_, *lines] = read(csv_lines(Row)([row(1, text)]))
    [[_, cell, _]] = lines

    assert not cell.lstrip(" ").startswith(tuple(DANGEROUS))
    for part in cell.split(delimiter):
        assert not part.lstrip(' "').startswith(tuple("=+-@＝＋－＠"))
    assert cell.replace("'", "") == text.replace("'", "")


def test_csv_is_given_unless_something_else_is_asked_for() -> None:
    assert (form_of(None), form_of("csv"), form_of("jsonl")) == (Form.CSV, Form.CSV, Form.JSONL)
    for wrong in ("", "xlsx", "CSV"):
        with pytest.raises(InvalidRequest, match="format"):
            form_of(wrong)
