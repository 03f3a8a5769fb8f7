"""A body is one JSON object of exactly the fields that are asked for; whatever else comes is told its mistakes."""

import json
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoints.http.bodies import LONGEST_DETAIL_TOLD, MAX_LONG_BODY_BYTES, JsonText, decode
from entrypoints.http.problems import MOST_TOLD, BadBody, Mistake, Told

IS_NO_JSON = [Mistake("", "is no JSON")]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    plan_code: str
    places: list[dict[str, int]] = []
    method: Literal["stars"] = "stars"


def answer_to(body: bytes) -> Any:
    """Where it is refused: what its sender is told, as it goes out."""
    try:
        decode(JsonText(body), Asked)
    except BadBody as refused:
        return json.loads(Told.of(refused).body)
    return None


def mistakes_of(body: bytes) -> list[Mistake]:
    return [Mistake(**one) for one in answer_to(body)["errors"]]


def test_an_object_of_the_fields_that_are_asked_for_is_read() -> None:
    body = JsonText(b'{"plan_code": "gold", "places": [{"a": 1}]}')
    assert decode(body, Asked) == Asked(plan_code="gold", places=[{"a": 1}])


def test_a_mark_of_the_byte_order_does_no_harm() -> None:
    assert decode(JsonText(b'\xef\xbb\xbf{"plan_code": "gold"}'), Asked) == Asked(plan_code="gold")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-32-be"])
def test_json_that_goes_between_machines_is_utf_8(encoding: str) -> None:
    """https://www.rfc-editor.org/rfc/rfc8259#section-8.1"""
    assert mistakes_of('{"plan_code": "gold"}'.encode(encoding)) == IS_NO_JSON


@pytest.mark.parametrize(
    ("name", "pointer"),
    [
        pytest.param("", "/", id="nothing"),
        pytest.param("a/b", "/a~1b", id="a slash"),
        pytest.param("a~b", "/a~0b", id="a tilde"),
        pytest.param("~1", "/~01", id="what looks escaped"),
        pytest.param("\x00", "/\x00", id="NUL"),
        pytest.param("\ud800", "/\\ud800", id="half of a surrogate pair"),
        pytest.param("x" * 65, "/" + "x" * 64, id="too long to be told whole"),
    ],
)
def test_a_field_that_is_not_asked_for_is_pointed_at_whatever_it_is_called(name: str, pointer: str) -> None:
    """https://www.rfc-editor.org/rfc/rfc6901#section-3"""
    unknown = json.dumps({"plan_code": "gold", name: 1}).encode()
    assert mistakes_of(unknown) == [Mistake(pointer, "is not known here; known are plan_code, places, method")]

    member = json.dumps(name).encode()
    assert mistakes_of(b"{%s: 1, %s: 2}" % (member, member)) == [Mistake(pointer, "is there twice")]


def test_a_field_that_is_there_twice_further_inside_is_named() -> None:
    body = b'{"plan_code": "gold", "places": [{"a": 1}, {"a": 1, "b": 2, "a": 3}]}'
    assert mistakes_of(body) == [Mistake("", "holds a twice in one place")]


def test_of_a_body_that_is_full_of_names_the_one_that_is_there_twice_is_found_in_one_pass() -> None:
    """Compared each with each, those of one body would take minutes."""
    fields = [f'"{number:x}":0' for number in range(MAX_LONG_BODY_BYTES // 10)]
    body = ("{" + ",".join([*fields, '"0":0']) + "}").encode()
    assert len(body) <= MAX_LONG_BODY_BYTES
    assert mistakes_of(body) == [Mistake("/0", "is there twice")]


@pytest.mark.parametrize(
    ("body", "mistake"),
    [
        pytest.param(
            {"plan_code": "gold", "places": [{}, {"a": "1"}]},
            Mistake("/places/1", "Expected `int`, got `str`"),
            id="inside of a field",
        ),
        pytest.param(
            {"plan_code": "gold", "method": " - at `$[7]`"},
            Mistake("/method", "Invalid enum value ' - at `$[7]`'"),
            id="though the value looks like a place",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(body: Any, mistake: Mistake) -> None:
    assert mistakes_of(json.dumps(body).encode()) == [mistake]


@pytest.mark.parametrize("value", ["x", " - at `$", " - at `$[1]`", "`"])
def test_a_long_value_is_not_told_whole_nor_looked_through_over_and_over(value: str) -> None:
    body = {"plan_code": "gold", "method": value * (MAX_LONG_BODY_BYTES // len(value))}
    [mistake] = mistakes_of(json.dumps(body).encode())
    assert (mistake.pointer, len(mistake.detail)) == ("/method", LONGEST_DETAIL_TOLD)


def test_of_more_mistakes_than_anybody_reads_the_first_are_told_and_how_many_more_there_are() -> None:
    body = json.dumps({"plan_code": "gold", **{f"x{number}": 0 for number in range(MOST_TOLD + 7)}})

    answer = answer_to(body.encode())

    assert [mistake["pointer"] for mistake in answer["errors"]] == [f"/x{number}" for number in range(MOST_TOLD)]
    assert answer["detail"].endswith(
        f"/x{MOST_TOLD - 1}: is not known here; known are plan_code, places, method; and 7 more"
    )


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inside: st.lists(inside) | st.dictionaries(st.text(st.characters(exclude_categories=())), inside),
    max_leaves=6,
)


@given(ANY_JSON | st.dictionaries(st.sampled_from(["plan_code", "places", "\ud800", "x/y"]), ANY_JSON))
def test_whatever_json_comes_is_read_or_refused_in_words_that_can_be_sent(body: Any) -> None:
    answer = answer_to(json.dumps(body).encode())
    assert answer is None or answer["code"] == "invalid_request"


@given(st.binary(max_size=64))
def test_whatever_bytes_come_are_refused_in_words_that_can_be_sent(body: bytes) -> None:
    assert answer_to(body)["code"] == "invalid_request"
