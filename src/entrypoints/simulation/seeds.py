"""Running many seeds: each by itself, what they found together, and which planted bugs they catch."""

from collections import Counter
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from entrypoints.simulation.memory import tidied_seldom
from entrypoints.simulation.sabotage import BUGS
from entrypoints.simulation.service import Service
from entrypoints.simulation.story import Outcome, Story
from entrypoints.simulation.weather import DIED_AT

PAYMENTS: Final = 93
"""At least so many in a seed; it comes to 100 on the average."""
ROUNDS: Final = 5
MOST_SEEDS: Final = 100
"""After so many a planted bug counts as not caught."""
APART: Final = 1_000_000
"""Seeds for planted bugs are others than those that must find nothing."""


@dataclass(slots=True)
class Sum:
    """What many seeds came to."""

    seeds: int = 0
    payments: int = 0
    points: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    boundaries: set[str] = field(default_factory=set)
    failed: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        self.seeds += 1
        self.payments += outcome.payments
        self.points += outcome.points
        self.seen.update(outcome.seen)
        self.boundaries |= outcome.boundaries
        if outcome.violations:
            self.failed.append(outcome)

    def join(self, other: "Sum") -> None:
        self.seeds += other.seeds
        self.payments += other.payments
        self.points += other.points
        self.seen.update(other.seen)
        self.boundaries |= other.boundaries
        self.failed += other.failed

    @property
    def never(self) -> list[str]:
        """What must happen at times, and did not: else the rest would prove nothing."""
        return [name for name in SOMETIMES if not self.seen[name]]

    def unstruck(self, elsewhere: AbstractSet[str]) -> list[str]:
        """Boundaries in the service at which no process ever died, neither here nor among those `elsewhere`."""
        ours = {name for name in self.boundaries - elsewhere if not name.startswith(OUTSIDE)}
        return sorted(name for name in ours if not self.seen[f"{DIED_AT}{name}"])


def run_seed(
    seed: int,
    *,
    make: Callable[..., Service] = Service,
    payments: int = PAYMENTS,
    listener: Callable[[str], None] | None = None,
) -> Outcome:
    """An error in our own code that nobody catches is a violation, too."""
    try:
        return Story(seed, payments=payments, make=make, listener=listener).run()
    except Exception as error:
        return Outcome(seed, 0, (f"an error that nobody caught: {type(error).__name__}: {error}",), Counter(), 0)


def run_seeds(seeds: Iterable[int]) -> Sum:
    total = Sum()
    with tidied_seldom() as tidy:
        for seed in seeds:
            total.add(run_seed(seed))
            tidy()
    return total


@dataclass(frozen=True, slots=True)
class Caught:
    """How many seeds it took to catch a planted bug, round by round (None: not caught), and by which invariants."""

    bug: str
    seeds: tuple[int | None, ...]
    by: tuple[str, ...]

    @property
    def median(self) -> float | None:
        found = [number for number in self.seeds if number is not None]
        return median(found) if len(found) == len(self.seeds) else None


def catch(bug: str, rounds: int = ROUNDS, most: int = MOST_SEEDS) -> Caught:
    """Each round has seeds of its own."""
    numbers: list[int | None] = []
    by: set[str] = set()
    with tidied_seldom() as tidy:
        for first in range(APART, APART + rounds * most, most):
            found = None
            for number in range(1, most + 1):
                violations = run_seed(first + number, make=BUGS[bug]).violations
                tidy()
                if violations:
                    found = number
                    by |= {violation.split(":")[0] for violation in violations}
                    break
            numbers.append(found)
    return Caught(bug, tuple(numbers), tuple(sorted(by, key=lambda name: (len(name), name))))


OUTSIDE: Final = ("webhook", "stripe webhook", "pre-checkout")
"""Boundaries at which the one who has the turn is not one of our processes."""

SOMETIMES: Final = (
    # Faults
    "a process died",
    "died at store.begin",
    "died at store.commit",
    "died at store.committed",
    "died at outbox.claimed",
    "died at outbox.sent",
    "died at sendMessage.asked",
    "died at sendMessage.done",
    "died at refundStarPayment.asked",
    "died at refundStarPayment.done",
    "committed, and nobody learnt it",
    "not committed, and nobody learnt it",
    "a deadlock or a serialization failure",
    "a stall of 30 s",
    "webhook: request lost",
    "webhook: answer lost",
    "pre-checkout: request lost",
    "pre-checkout: answer lost",
    "stripe webhook: request lost",
    "stripe webhook: answer lost",
    "sendMessage: request lost",
    "sendMessage: answer lost",
    "sendMessage: 5xx",
    "sendMessage: garbage",
    "429",
    "refundStarPayment: request lost",
    "refundStarPayment: answer lost",
    "refundStarPayment: 5xx",
    "refundStarPayment: garbage",
    "stripe refunds: request lost",
    "stripe refunds: answer lost",
    "getStarTransactions: answer lost",
    "stripe lists: answer lost",
    "an update delivered again",
    "an update delivered twice at once",
    "an event delivered again",
    "an update expired",
    "an event expired",
    "others had their turn",
    "update ids started anew",
    "an outage of 26 h",
    "an outage of 80 h",
    "a backup was restored",
    "a failover",
    "a failover that lost commits",
    "a clock jumped",
    "signing keys were rotated",
    "a plan was withdrawn",
    "the database was away",
    "Telegram was away",
    "Stripe was away",
    "nonsense",
    "Stars for nothing that we sell",
    "money in test mode",
    "an attack",
    "a user has blocked the bot",
    "a poisonous charge",
    "a batch of charges",
    "somebody had to try later",
    # What becomes of money later
    "a refund by Telegram",
    "a chargeback",
    "a partial refund",
    "partial refunds that became the whole",
    "a refund at Stripe was pending",
    "a dispute",
    "an operator gave back",
    "an operator granted",
    "an operator returned",
    "EntitlementSuspended",
    "EntitlementRestored",
    "EntitlementRevoked",
    "EntitlementExpired",
    "events were read",
    # The rows of the table of endings
    "ChargeRepeated",
    "ChargeConflicted",
    "RefundCameFirst",
    "an invoice was rebuilt",
    "granted",
    "refunded",
    "refunded: wrong_user",
    "refunded: invoice_already_paid",
    "refunded: already_entitled",
    "quarantined: bad_payload",
    "quarantined: unknown_invoice",
    "quarantined: wrong_user",
    "quarantined: currency_mismatch",
    "quarantined: amount_mismatch",
    "quarantined: stale_invoice",
    "quarantined: invoice_already_paid",
    "quarantined: unprocessable",
    # Answers and ways
    "allowed",
    "not allowed",
    "ReportKept",
    "ReportDone",
    "LedgerCompared",
)
"""What must happen at least once, or the rest proves nothing."""
