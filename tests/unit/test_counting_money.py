"""A sum is a positive whole number of a known currency's smallest unit, and is written as its people write it."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.money import EXPONENTS, MAX_AMOUNT, Money, written


@pytest.mark.threat(12)
@pytest.mark.parametrize(
    ("amount", "currency", "written"),
    [
        pytest.param(2500, "GBP", "£25.00", id="pounds have pence"),
        pytest.param(1, "GBP", "£0.01", id="a penny is a hundredth of a pound"),
        pytest.param(1_234_567, "USD", "$12,345.67", id="dollars have cents"),
        pytest.param(999, "EUR", "€9.99", id="euros have cents"),
        pytest.param(1200, "JPY", "¥1,200", id="yen have no smaller unit"),
        pytest.param(1250, "XTR", "1,250 ⭐", id="Stars are whole"),
        pytest.param(1500, "KWD", "1.500 KWD", id="a Kuwaiti dinar has a thousand fils"),
        pytest.param(5, "KWD", "0.005 KWD", id="five fils keep their zeros"),
        pytest.param(250_000, "HUF", "2,500.00 HUF", id="Telegram counts two decimals of a forint"),
        pytest.param(20_000, "UGX", "20,000 UGX", id="Ugandan shillings have no smaller unit"),
        pytest.param(MAX_AMOUNT, "XTR", "9,007,199,254,740,991 ⭐", id="the largest sum"),
    ],
)
def test_a_sum_is_written_in_the_currency_s_own_units(amount: int, currency: str, written: str) -> None:
    assert str(Money(amount=amount, currency=currency)) == written


@pytest.mark.threat(13)
@pytest.mark.parametrize(
    "amount",
    [
        pytest.param(0, id="nothing"),
        pytest.param(-1, id="less than nothing"),
        pytest.param(2**53, id="one more than every JSON reader counts exactly"),
        pytest.param(2**63, id="more than 64 bits"),
        pytest.param(1e3, id="1e3"),
        pytest.param(1000.0, id="a float that is whole"),
        pytest.param(float("nan"), id="not a number"),
        pytest.param("1", id="a string"),
        pytest.param(True, id="true"),
        pytest.param(None, id="null"),
        pytest.param(Decimal(1), id="a decimal"),
        pytest.param(Fraction(1), id="a fraction"),
    ],
)
def test_an_amount_is_a_whole_number_from_1_to_2_to_the_53_less_1(amount: Any) -> None:
    with pytest.raises(ValueError, match="an amount is a whole number"):
        Money(amount=amount, currency="XTR")


@pytest.mark.threat(12)
@pytest.mark.parametrize(
    "currency",
    [
        pytest.param("", id="none"),
        pytest.param("xtr", id="small letters"),
        pytest.param("XTR ", id="a space behind"),
        pytest.param("XXX", id="no currency"),
        pytest.param("BTC", id="not of any state"),
        pytest.param("ХТR", id="Cyrillic look-alikes"),
    ],
)
def test_a_currency_is_one_that_telegram_or_stripe_takes(currency: str) -> None:
    with pytest.raises(ValueError, match="unknown currency"):
        Money(amount=1, currency=currency)


@pytest.mark.parametrize("amount", [pytest.param(1, id="one"), pytest.param(MAX_AMOUNT, id="the largest")])
def test_both_ends_of_the_range_are_sums(amount: int) -> None:
    assert Money(amount=amount, currency="XTR").amount == amount


@pytest.mark.threat(12)
def test_the_same_number_of_another_currency_is_another_sum() -> None:
    assert Money(amount=100, currency="XTR") != Money(amount=100, currency="GBP")


@pytest.mark.threat(12)
@given(amount=st.integers(1, MAX_AMOUNT), currency=st.sampled_from(sorted(EXPONENTS)))
def test_what_is_written_is_the_amount_to_the_last_unit(amount: int, currency: str) -> None:
    digits = "".join(letter for letter in str(Money(amount=amount, currency=currency)) if letter in "0123456789.")

    assert Decimal(digits).scaleb(EXPONENTS[currency]) == amount


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        pytest.param(0, "£0.00", id="nothing"),
        pytest.param(-1, "−£0.01", id="one unit missing"),
        pytest.param(-125_000, "−£1,250.00", id="more"),
    ],
)
def test_a_balance_is_written_with_its_sign(amount: int, text: str) -> None:
    assert written(amount, "GBP") == text
