"""Stripe counts money as we do, but for two currencies without decimals that it writes with two."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.stripe.amounts import from_stripe, to_stripe, units
from domain.money import EXPONENTS, MAX_AMOUNT, STARS, Money


@pytest.mark.parametrize(
    ("price", "at_stripe"),
    [
        pytest.param(Money(amount=2500, currency="GBP"), (2500, "gbp"), id="25 pounds"),
        pytest.param(Money(amount=1200, currency="JPY"), (1200, "jpy"), id="1200 yen, without decimals"),
        pytest.param(Money(amount=5, currency="ISK"), (500, "isk"), id="5 krona, written with two decimals"),
        pytest.param(Money(amount=5, currency="UGX"), (500, "ugx"), id="5 shilling, written with two decimals"),
        pytest.param(Money(amount=1045, currency="HUF"), (1045, "huf"), id="10.45 forint"),
        pytest.param(Money(amount=1045, currency="TWD"), (1045, "twd"), id="10.45 Taiwan dollars"),
        pytest.param(Money(amount=5120, currency="KWD"), (5120, "kwd"), id="5.120 dinar, ending in 0"),
    ],
)
def test_a_price_is_the_same_money_at_stripe(price: Money, at_stripe: tuple[int, str]) -> None:
    assert to_stripe(price) == at_stripe
    assert from_stripe(*at_stripe) == price


@given(st.sampled_from(sorted(set(EXPONENTS) - {STARS})), st.integers(1, MAX_AMOUNT // 1000))
def test_what_is_asked_for_is_what_is_read_back(currency: str, amount: int) -> None:
    price = Money(amount=amount * 10, currency=currency)
    assert from_stripe(*to_stripe(price)) == price


@pytest.mark.parametrize(
    "price",
    [
        pytest.param(Money(amount=250, currency="XTR"), id="Stars"),
        pytest.param(Money(amount=5124, currency="KWD"), id="5.124 dinar"),
        pytest.param(Money(amount=1, currency="BHD"), id="0.001 dinar"),
    ],
)
def test_what_stripe_can_not_charge_is_refused_before_it_is_asked(price: Money) -> None:
    with pytest.raises(ValueError, match="Stripe"):
        to_stripe(price)


@pytest.mark.parametrize(
    ("amount", "currency"),
    [
        pytest.param(0, "gbp", id="nothing"),
        pytest.param(-5, "gbp", id="less than nothing"),
        pytest.param(550, "isk", id="five and a half krona"),
        pytest.param(500, "xaf", id="a currency that we don't sell in"),
        pytest.param(500, "", id="no currency"),
    ],
)
def test_what_is_no_money_of_ours_is_told_instead_of_rounded(amount: int, currency: str) -> None:
    with pytest.raises(ValueError, match=r"amount|currency|parts"):
        from_stripe(amount, currency)


def test_a_total_given_back_may_be_nothing() -> None:
    assert units(0, "gbp") == 0
    assert units(500, "ugx") == 5
