"""Who has seen any number of our ids knows none of the others."""

import re
from collections.abc import Callable
from itertools import pairwise

import pytest

from adapters.ids import RandomIds
from tests.builders import MAIN, SIGNER, terms

pytestmark = pytest.mark.threat(52)

MANY = 2000
RANDOM_BITS = 80

KINDS = [
    pytest.param(RandomIds().invoice, "inv_", id="invoice"),
    pytest.param(RandomIds().payment, "pay_", id="payment"),
    pytest.param(RandomIds().entitlement, "ent_", id="entitlement"),
    pytest.param(RandomIds().passport, "pas_", id="passport"),
]


@pytest.mark.parametrize(("new", "prefix"), KINDS)
def test_an_id_is_its_kind_and_128_bits(new: Callable[[], str], prefix: str) -> None:
    assert re.fullmatch(rf"{prefix}[0-9a-f]{{32}}", new())


@pytest.mark.parametrize(("new", "prefix"), KINDS)
def test_no_two_are_alike(new: Callable[[], str], prefix: str) -> None:
    assert len({new() for _ in range(MANY)}) == MANY


@pytest.mark.parametrize(("new", "prefix"), KINDS)
def test_of_eighty_bits_each_is_as_often_set_as_not_and_changes_as_often_as_not(
    new: Callable[[], str], prefix: str
) -> None:
    numbers = [int(new().removeprefix(prefix), 16) for _ in range(MANY)]

    for bit in range(RANDOM_BITS):
        values = [number >> bit & 1 for number in numbers]
        changes = sum(one != other for one, other in pairwise(values))
        # Seven standard deviations: what is random fails this once in more than 10^11 runs.
        assert abs(sum(values) - MANY / 2) < 160
        assert abs(changes - MANY / 2) < 160


def test_an_invoice_s_id_is_carried_by_its_payload_to_the_last_bit() -> None:
    id = RandomIds().invoice()

    assert SIGNER.verify(SIGNER.sign(terms(invoice_id=id), MAIN), MAIN).invoice_id == id
