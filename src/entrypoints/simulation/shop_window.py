"""What is sold in the simulation, and how it is paid."""

from datetime import timedelta
from typing import Final

from adapters.telegram.texts import Texts
from domain.catalog import Method, Plan, Tills
from domain.duration import LIFETIME, Duration
from domain.ids import PlanCode
from domain.money import STARS


def _plan(code: str, days: int | None, prices: dict[str, int]) -> Plan:
    return Plan(
        code=PlanCode(code),
        title=code,
        description=code,
        features=(code, "any"),
        duration=LIFETIME if days is None else Duration.parse(f"{days} day" if days == 1 else f"{days} days"),
        prices=prices,
        renew_window=Duration.parse("1000 days"),
    )


KEYS: Final = (b"canary: the first key of the simulation", b"canary: the second key of the simulation")
REFUNDS_PER_HOUR: Final = 5
TTL: Final = timedelta(hours=1)


PLANS: Final = (
    _plan("gold", 30, {"XTR": 100, "JPY": 700, "GBP": 500}),
    _plan("silver", 7, {"XTR": 50, "JPY": 300, "GBP": 200}),
    _plan("bronze", 1, {"XTR": 5, "JPY": 30, "GBP": 20}),
    _plan("life", None, {"XTR": 900, "JPY": 9000, "GBP": 9000}),
)
WITHDRAWN: Final = PLANS[2].code
"""What a deployer takes out of the catalog at times."""
TILLS: Final = Tills(currencies={Method.STARS: STARS, Method.TELEGRAM: "JPY", Method.STRIPE: "GBP"})
TEXTS: Final = Texts(support_contact=None)
