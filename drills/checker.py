"""Compares the sandbox's ledgers, the truth about money, with what the service says over its internal HTTP API.

It knows nothing of the service's rules but the contract's: each charge ends in exactly one of granted, refunded and
quarantined; what was given back opens nothing; who paid may come in, for as long as was paid, and nobody else may.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import local
from typing import Any, Final

import httpx

from tests.integration.sandbox_server import Json, SandboxServer
from tests.integration.service import Service

PAGE: Final = 200
HANDS: Final = 6
FINAL: Final = frozenset({"granted", "refunded", "quarantined"})
SIGNALS: Final = "signals"
"""The feature that each of the plans opens."""


@dataclass(frozen=True, slots=True)
class Sold:
    """A plan by its price: how long it opens the door."""

    plan_code: str
    least: timedelta
    most: timedelta


PRICES: Final = {
    ("XTR", 75): Sold("day_pass", timedelta(days=1), timedelta(days=1)),
    ("XTR", 1250): Sold("gold_1m", timedelta(days=28), timedelta(days=31)),
    ("GBP", 2500): Sold("gold_1m", timedelta(days=28), timedelta(days=31)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A charge as its provider has it."""

    charge_id: str
    user_id: int
    amount: int
    currency: str
    times_returned: int
    returned: bool


@dataclass(slots=True, kw_only=True)
class Verdict:
    """`wrong` says in words what does not hold; each of `lost` and `doubled` is in there, too."""

    charges: int
    ended: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def figures(self) -> dict[str, int]:
        return {
            "charges": self.charges,
            **{state: self.ended[state] for state in sorted(FINAL) if self.ended[state] or state == "granted"},
            "lost": len(self.lost),
            "doubled": len(self.doubled),
            "wrong": len(self.wrong),
        }


def taken(telegram: SandboxServer) -> list[Taken]:
    """Every charge at both providers."""
    returns = Counter(line["id"] for line in telegram.transactions() if "receiver" in line)
    stars = [
        Taken(
            charge_id=charge["charge_id"],
            user_id=charge["user_id"],
            amount=charge["amount"],
            currency=charge["currency"],
            times_returned=returns[charge["charge_id"]],
            returned=bool(charge["refunded_at"] or charge["charged_back_at"]),
        )
        for charge in telegram.ledger()
    ]
    cards = [
        Taken(
            charge_id=money["payment_intent"],
            user_id=int(money["metadata"]["user_id"]),
            amount=money["amount"],
            currency=money["currency"].upper(),
            times_returned=len([refund for refund in money["refunds"] if _counts(refund)]),
            returned=money["amount_refunded"] >= money["amount"],
        )
        for money in telegram.stripe.ledger()
        if money["paid"]
    ]
    return stars + cards


def _counts(refund: Any) -> bool:
    return not isinstance(refund, Mapping) or refund.get("status") not in ("failed", "canceled")


def payments(service: Service) -> list[Json]:
    """All that the service has on record."""
    found: list[Json] = []
    with service.as_service("payments:read") as client:
        cursor: str | None = None
        while True:
            query = {"limit": PAGE} | ({"cursor": cursor} if cursor else {})
            page = client.get("/internal/v1/payments", params=query).raise_for_status().json()
            found += page["items"]
            if (cursor := page["next_cursor"]) is None:
                return found


def judge(telegram: SandboxServer, service: Service) -> Verdict:
    """Once all is quiet."""
    truth, records = taken(telegram), payments(service)
    verdict = Verdict(charges=len(truth))
    _compare_charges(truth, records, verdict)
    status = {record["charge_id"]: record["status"] for record in records}
    covering: dict[int, list[Taken]] = defaultdict(list)
    for charge in truth:
        if not charge.returned and status.get(charge.charge_id) != "quarantined":
            covering[charge.user_id].append(charge)
    users = {int(user["id"]) for user in telegram.users()} | {charge.user_id for charge in truth}
    returned = {charge.user_id for charge in truth if charge.returned}
    for user, (spans, allowed) in doors(service, sorted(users)).items():
        _compare_doors(user, covering[user], spans, allowed, verdict, whole=user not in returned)
    return verdict


def doors(service: Service, users: Sequence[int]) -> dict[int, tuple[list[Json], bool]]:
    """What each of them holds, and whether they may come in now."""
    own = local()

    def look(user: int) -> tuple[list[Json], bool]:
        if not hasattr(own, "client"):
            own.client = service.as_service()
        client: httpx.Client = own.client
        held = client.get(f"/internal/v1/users/{user}/entitlements").raise_for_status().json()["entitlements"]
        answer = client.get(f"/internal/v1/users/{user}/features/{SIGNALS}").raise_for_status().json()
        return held, bool(answer["allowed"])

    with ThreadPoolExecutor(HANDS) as hands:
        return dict(zip(users, hands.map(look, users), strict=True))


def _compare_charges(truth: Iterable[Taken], records: Iterable[Json], verdict: Verdict) -> None:
    known: dict[str, list[Json]] = defaultdict(list)
    opened: Counter[str] = Counter()
    for record in records:
        known[record["charge_id"]].append(record)
        opened.update([record["entitlement_id"]] if record["entitlement_id"] else [])
    for charge in truth:
        found = known.pop(charge.charge_id, [])
        if not found:
            verdict.lost.append(charge.charge_id)
            verdict.wrong.append(f"{charge.charge_id}: taken, and not on record")
            continue
        if len(found) > 1:
            verdict.doubled.append(charge.charge_id)
            verdict.wrong.append(f"{charge.charge_id}: on record {len(found)} times")
        record = found[0]
        verdict.ended[record["status"]] += 1
        if record["status"] not in FINAL:
            verdict.wrong.append(f"{charge.charge_id}: still {record['status']}")
        if (record["status"] == "refunded") != charge.returned:
            went = "given back" if charge.returned else "kept"
            verdict.wrong.append(f"{charge.charge_id}: {went} at the provider, {record['status']} here")
        if (record["user_id"], record["amount"], record["currency"]) != (
            charge.user_id,
            charge.amount,
            charge.currency,
        ):
            verdict.wrong.append(f"{charge.charge_id}: other facts here than at the provider")
        if charge.times_returned > 1:
            verdict.doubled.append(charge.charge_id)
            verdict.wrong.append(f"{charge.charge_id}: given back {charge.times_returned} times")
    for charge_id in known:
        verdict.wrong.append(f"{charge_id}: on record, and never taken")
    verdict.wrong += [
        f"{entitlement}: opened by {times} payments" for entitlement, times in opened.items() if times > 1
    ]


def _compare_doors(
    user: int, covering: Sequence[Taken], spans: Sequence[Json], allowed: bool, verdict: Verdict, *, whole: bool
) -> None:
    """`whole`: nothing of this user's was given back, so each span is as long as it was sold."""
    paid = Counter(PRICES[charge.currency, charge.amount].plan_code for charge in covering)
    living = [span for span in spans if span["revoked_at"] is None]
    held = Counter(span["plan_code"] for span in living)
    for plan_code in paid | held:
        if held[plan_code] > paid[plan_code]:
            verdict.doubled.append(f"user {user}")
        if held[plan_code] != paid[plan_code]:
            verdict.wrong.append(
                f"user {user}: paid {plan_code} {paid[plan_code]} times, holds it {held[plan_code]} times"
            )
    if allowed != bool(covering):
        verdict.wrong.append(f"user {user}: {'may' if allowed else 'may not'} come in, with {len(covering)} charges")
    if whole:
        lasts = {sold.plan_code: sold for sold in PRICES.values()}
        for span in living:
            sold = lasts[span["plan_code"]]
            length = datetime.fromisoformat(span["expires_at"]) - datetime.fromisoformat(span["starts_at"])
            if not sold.least <= length <= sold.most:
                verdict.wrong.append(f"user {user}: {span['plan_code']} for {length}")
