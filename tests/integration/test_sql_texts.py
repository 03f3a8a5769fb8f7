"""Any text can be kept, and no two texts become the same."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import Dialect
from sqlalchemy.engine import make_url

from adapters.sql.column_types import AnyText

ANYTHING = st.text(st.characters(codec=None, categories=None), max_size=50)
DIALECTS = [make_url(url).get_dialect()() for url in ("sqlite+pysqlite://", "postgresql+psycopg://")]
AWKWARD = st.text(st.sampled_from("\\u0d8cfa\0\ud800\udfff"), max_size=12)


@pytest.mark.threat(16)
@pytest.mark.parametrize("dialect", DIALECTS, ids=["sqlite", "postgresql"])
@given(text=ANYTHING | AWKWARD)
@example(text="\\u0000")
@example(text="\\\\u0000\0\\")
def test_every_text_comes_back_from_a_form_that_both_databases_take(dialect: Dialect, text: str) -> None:
    kept = AnyText().bind_processor(dialect)(text)
    assert "\0" not in kept
    assert kept.encode().decode() == kept
    assert AnyText().result_processor(dialect, None)(kept) == text


@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\0\\")))
def test_ordinary_text_lies_in_the_column_as_it_is(text: str) -> None:
    assert AnyText().bind_processor(DIALECTS[0])(text) == text
