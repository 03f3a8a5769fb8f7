"""Rows go in as they are, however many there are at once, and a name that no column has is told of."""

import pytest
from sqlalchemy import Engine, select

from adapters.sql import schema
from adapters.sql.bulk import insert_new, insert_rows, insert_telling
from tests.memory import NOON

pytest_plugins = ["tests.integration.databases"]

_TABLE = schema.inbox


def rows(*numbers: int) -> list[dict[str, object]]:
    """Every kind of column: text, bytes, times, numbers, and some that are empty."""
    return [
        {
            "source": "telegram_update",
            "bot": "main",
            "body": bytes([number % 256, 0, 255]),
            "digest": f"digest {number}",
            "found_by": "webhook",
            "received_at": NOON,
            "due_at": NOON,
            "attempts": number,
            "problem": None if number % 2 else "a \0 b \ud800 \\",
        }
        for number in numbers
    ]


@pytest.mark.parametrize("count", [1, 2, 3, 31, 64, 65, 127, 200])
def test_all_rows_come_back_in_their_order_and_as_they_were(engine: Engine, count: int) -> None:
    with engine.begin() as connection:
        insert_rows(connection, _TABLE, rows(*range(count)))
    with engine.connect() as connection:
        found = connection.execute(select(_TABLE).order_by(_TABLE.c.id)).all()
    expected = rows(*range(count))
    assert [{name: getattr(row, name) for name in expected[0]} for row in found] == expected


def test_of_rows_that_are_there_already_only_the_new_ones_are_told(engine: Engine) -> None:
    with engine.begin() as connection:
        insert_new(connection, _TABLE, rows(1, 70))
        told = insert_telling(
            connection, _TABLE, rows(*range(100)), _TABLE.c.attempts, _TABLE.c.problem, _TABLE.c.due_at
        )
        assert insert_telling(connection, _TABLE, rows(*range(100)), _TABLE.c.attempts) == []
    expected = [(row["attempts"], row["problem"], NOON) for row in rows(*range(100)) if row["attempts"] not in (1, 70)]
    assert sorted(map(tuple, told)) == expected


def test_nothing_is_nothing_to_write(engine: Engine) -> None:
    with engine.begin() as connection:
        assert insert_telling(connection, _TABLE, [], _TABLE.c.id) == []


def test_a_name_that_no_column_has_is_no_value_that_is_lost(engine: Engine) -> None:
    with engine.begin() as connection, pytest.raises(AssertionError, match="inbox has no probelm"):
        insert_rows(connection, _TABLE, [{**row, "probelm": "x"} for row in rows(1)])
