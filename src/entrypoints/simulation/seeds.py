"""Running many seeds: each by itself, what they found together, and which planted bugs they catch."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from entrypoints.simulation.sabotage import BUGS
from entrypoints.simulation.service import Service
from entrypoints.simulation.story import Outcome, Story

PAYMENTS: Final = 100
SOMETIMES: Final = (
    "a process died",
    "died at store.begin",
    "died at store.commit",
    "died at store.committed",
    "committed, and nobody learnt it",
    "not committed, and nobody learnt it",
    "a deadlock or a serialization failure",
    "a stall of 30 s",
    "webhook: request lost",
    "webhook: answer lost",
    "pre-checkout: answer lost",
    "stripe webhook: answer lost",
    "sendMessage: answer lost",
    "refundStarPayment: answer lost",
    "stripe refunds: answer lost",
    "429",
    "an update delivered again",
    "an update delivered twice at once",
    "others had their turn",
    "an event delivered again",
    "update ids started anew",
    "an outage of 26 h",
    "an outage of 80 h",
    "an update expired",
    "a backup was restored",
    "a clock jumped",
    "signing keys were rotated",
    "the database was away",
    "a poisonous charge",
    "a refund by Telegram",
    "a chargeback",
    "a partial refund",
    "partial refunds that became the whole",
    "a refund at Stripe was pending",
    "a dispute",
    "an operator gave back",
    "an operator granted",
    "an operator returned",
    "ChargeRepeated",
    "RefundCameFirst",
    "ReportKept",
    "ReportDone",
    "EntitlementSuspended",
    "EntitlementRestored",
    "granted",
    "refunded",
    "refunded: wrong_user",
    "refunded: invoice_already_paid",
    "refunded: already_entitled",
    "quarantined: bad_payload",
    "quarantined: wrong_user",
    "quarantined: amount_mismatch",
    "quarantined: stale_invoice",
    "quarantined: invoice_already_paid",
    "quarantined: unprocessable",
)
"""What must happen at least once over enough seeds, or the rest proves nothing."""


@dataclass(slots=True)
class Sum:
    seeds: int = 0
    payments: int = 0
    points: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    failed: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        self.seeds += 1
        self.payments += outcome.payments
        self.points += outcome.points
        self.seen.update(outcome.seen)
        if outcome.violations:
            self.failed.append(outcome)

    @property
    def never(self) -> list[str]:
        return [name for name in SOMETIMES if not self.seen[name]]


def run_seed(seed: int, *, make: type[Service] = Service, payments: int = PAYMENTS) -> Outcome:
    """An error in our own code that nobody catches is a violation, too."""
    try:
        return Story(seed, payments=payments, make=make).run()
    except Exception as error:
        words = f"an error that nobody caught: {type(error).__name__}: {error}"
        return Outcome(seed, 0, (words,), Counter(), 0)


def run_seeds(seeds: Iterable[int]) -> Sum:
    total = Sum()
    for seed in seeds:
        total.add(run_seed(seed))
    return total


def crash_everywhere(seed: int, payments: int) -> tuple[int, list[Outcome]]:
    """The same small story again and again, with a crash at one more of its points each time; how many there are, and
    the outcomes that must not be."""
    failed = []
    points = Story(seed, payments=payments, strength=0.0).run().points
    for point in range(1, points + 1):
        outcome = Story(seed, payments=payments, strength=0.0, crash_at=point).run()
        if outcome.violations:
            failed.append(outcome)
    return points, failed


def seeds_to_catch(name: str, *, start: int, most: int) -> int | None:
    """How many seeds from `start` on it takes until that planted bug is caught; None where `most` are not enough."""
    for number in range(1, most + 1):
        if run_seed(start + number - 1, make=BUGS[name]).violations:
            return number
    return None


def median_to_catch(name: str, *, rounds: int, most: int) -> float | None:
    """The median over several rounds, each with seeds of its own; None where a round catches nothing."""
    found = [seeds_to_catch(name, start=number * most, most=most) for number in range(rounds)]
    caught = [number for number in found if number is not None]
    return median(caught) if len(caught) == len(found) else None


def tell(seed: int, *, bug: str | None = None) -> tuple[list[str], Outcome]:
    """The story of one seed, line by line, and how it ended."""
    lines: list[str] = []
    make = BUGS[bug] if bug else Service
    outcome = Story(seed, payments=PAYMENTS, make=make, listener=lines.append).run()
    return lines, outcome
