"""A plan is offered at the catalog's price, by the methods that are set up and whose currency it is priced in."""

import pytest

from domain.catalog import Method, Tills, method_of
from tests.builders import GOLD, SILVER, pence, stars


@pytest.mark.criterion("1.3")
@pytest.mark.parametrize(
    ("method", "price"),
    [
        pytest.param(Method.STARS, stars(1250), id="in Stars"),
        pytest.param(Method.TELEGRAM, pence(2500), id="in money"),
        pytest.param(Method.STRIPE, pence(2500), id="by Stripe in the same money"),
    ],
)
def test_an_offer_is_the_plan_at_the_catalog_s_price(method: Method, price: object) -> None:
    tills = Tills(currencies={Method.STARS: "XTR", Method.TELEGRAM: "GBP", Method.STRIPE: "GBP"})

    offer = tills.offer(GOLD, method)

    assert offer is not None
    assert offer.price == price
    assert (offer.plan_code, offer.title, offer.description) == (GOLD.code, GOLD.title, GOLD.description)
    assert (offer.duration, offer.features, offer.limits) == (GOLD.duration, GOLD.features, GOLD.limits)


def test_a_method_that_is_not_set_up_has_no_offer() -> None:
    assert Tills(currencies={Method.STARS: "XTR"}).offer(GOLD, Method.TELEGRAM) is None


def test_a_plan_that_is_not_priced_in_a_method_s_currency_has_no_offer() -> None:
    assert Tills(currencies={Method.TELEGRAM: "GBP"}).offer(SILVER, Method.TELEGRAM) is None


@pytest.mark.parametrize(
    ("currencies", "methods"),
    [
        pytest.param({}, (), id="nothing set up"),
        pytest.param({Method.STARS: "XTR"}, (Method.STARS,), id="Stars alone"),
        pytest.param({Method.TELEGRAM: "EUR"}, (), id="a currency without a price"),
        pytest.param(
            {Method.STRIPE: "GBP", Method.TELEGRAM: "GBP", Method.STARS: "XTR"},
            (Method.STARS, Method.TELEGRAM, Method.STRIPE),
            id="all, always in the same order",
        ),
    ],
)
def test_the_methods_of_a_plan_with(currencies: dict[Method, str], methods: tuple[Method, ...]) -> None:
    assert Tills(currencies=currencies).methods_for(GOLD) == methods


def test_telegram_takes_stars_as_stars_and_all_else_by_a_provider() -> None:
    assert method_of("XTR") is Method.STARS
    assert method_of("GBP") is Method.TELEGRAM
