"""The oracle: what must have become of each charge, and how much time each user must have, by rules of its own.

It knows the providers' books and what was offered, and shares nothing with the domain: no rule of ours is judged by
itself.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Final

from application.ports.payments import ChargeKey
from domain.ids import UserId
from domain.payment import Payment
from entrypoints.simulation.stripe import Intent
from entrypoints.simulation.telegram import TelegramCharge
from entrypoints.simulation.truth import RealCharge, Truth, gone

GRANTED: Final = "granted"
QUARANTINED: Final = "quarantined"
DAYS: Final = {"gold": 30, "silver": 7, "bronze": 1}
FOR_LIFE: Final = "life"


def misjudged(truth: Truth, books: Mapping[ChargeKey, Payment]) -> Iterator[str]:
    """Charges that were not given back, and did not end where they must. One that is missing is not judged here."""
    rivals: dict[str, list[tuple[ChargeKey, TelegramCharge]]] = defaultdict(list)
    for key, charge in truth.charges().items():
        if key not in books or gone(charge) or key[1] in truth.acted_on:
            continue
        ended = books[key].status
        must = _must_end(truth, charge)
        if must and ended != must and not (ended == QUARANTINED and key[1] in truth.poisoned):
            yield f"5: {key[1]} must be {must}, and is {ended}: {books[key].quarantine_reason}"
        if not must and isinstance(charge, TelegramCharge):
            rivals[charge.payload].append((key, charge))
    for payload, those in rivals.items():
        granted = [key[1] for key, _ in those if books[key].status == GRANTED]
        if len(granted) > 1:
            yield f"3: one offer was granted {len(granted)} times, for {', '.join(granted)}"
        if not granted and _one_must_win(truth, payload, those):
            yield f"5: of {len(those)} charges for one offer none is granted"


def _must_end(truth: Truth, charge: RealCharge) -> str | None:
    """None where that hangs on what else was paid, or on when."""
    if isinstance(charge, Intent):
        plan = charge.invoice.offer.plan_code
        return None if plan == FOR_LIFE or _not_rebuilt(truth, plan) else GRANTED
    offer, owner = truth.offers.get(charge.payload, (None, None))
    if offer is None or charge.payer != owner:
        return QUARANTINED
    if (charge.amount, charge.currency) != (offer.price.amount, offer.price.currency):
        return QUARANTINED
    return None


def _one_must_win(truth: Truth, payload: str, those: Iterable[tuple[ChargeKey, TelegramCharge]]) -> bool:
    """Whether nothing stands in the way of all of them: no other charge that won and was given back since, no person,
    no fault of ours, no plan for life that is held already, no invoice that was paid too late."""
    offer, _ = truth.offers[payload]
    paid_for = [charge for charge in truth.telegram.charges.values() if charge.payload == payload]
    disturbed = any(gone(one) or one.charge_id in truth.acted_on | truth.poisoned for one in paid_for)
    in_time = all(charge.approved for _, charge in those)
    lost = truth.clocks_jumped or _not_rebuilt(truth, offer.title)
    return in_time and not disturbed and not lost and offer.title != FOR_LIFE


def _not_rebuilt(truth: Truth, plan: str) -> bool:
    """Whether an invoice for that plan may be lost for good: with what was committed last, and out of the catalog."""
    return truth.restored and plan in truth.withdrawn


def time_paid_for(truth: Truth, books: Mapping[ChargeKey, Payment]) -> dict[tuple[UserId, str], timedelta]:
    """How much time each user has of each plan that is counted in days, by charges that are theirs for good."""
    owed: dict[tuple[UserId, str], timedelta] = defaultdict(timedelta)
    for key, charge in truth.charges().items():
        if key not in books or books[key].status != GRANTED or gone(charge):
            continue
        plan = books[key].plan_code
        if plan in DAYS:
            owed[books[key].charge.payer, plan] += timedelta(days=DAYS[plan])
    return owed
