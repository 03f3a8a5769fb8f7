"""Money is given back once, whatever step of it nobody answers, and whoever dies in the middle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

from drills.checker import payments, taken
from drills.crowd import at_once, bought, quiet
from drills.stage import Figures, Stage, require
from tests.integration.sandbox_server import Json, SandboxServer
from tests.integration.service import Service, eventually

BATCH: Final = 50
HANGS: Final = 3
HANGS_S: Final = 11.0
"""Longer than the service waits for Telegram."""
Weather = tuple[Mapping[str, Any], Mapping[str, Any]]
"""Faults of Telegram, and of Stripe."""

GIVE, LOOK = ["refundStarPayment"], ["getStarTransactions"]
CARD_GIVE, CARD_LOOK = ["refunds.create"], ["payment_intents.retrieve", "refunds.list"]
STEPS: Final[Mapping[str, Weather]] = {
    "the order never arrives": (
        {"api_resets": -1, "api_methods": GIVE},
        {"api_resets": -1, "api_methods": CARD_GIVE},
    ),
    "nobody says whether it was done": (
        {"api_resets": -1, "api_methods": LOOK},
        {"api_resets": -1, "api_methods": CARD_LOOK},
    ),
    "it is done, and the answer is lost": (
        {"api_lose_replies": -1, "api_methods": GIVE},
        {"api_lose_replies": -1, "api_methods": CARD_GIVE},
    ),
    "it is done, and looking after it fails": (
        {"api_lose_replies": -1, "api_methods": LOOK},
        {"api_lose_replies": -1, "api_methods": CARD_LOOK},
    ),
}


def refund_timeouts(stage: Stage, number: int) -> Figures:
    """Half by Stars and half by Stripe: each refund loses its answer at every step. Where there are several batches,
    the first one's carrier hangs, and dies at every step, too."""
    telegram = stage.telegram
    kills = hung = 0
    with stage.service() as service:
        for start in range(0, number, BATCH):
            charges = bought(telegram, service, min(BATCH, number - start))
            ids = {record["charge_id"]: record["payment_id"] for record in payments(service)}
            thoroughly = start == 0 and number > BATCH
            if thoroughly:
                slow = [charge for charge in charges if _is_stars(charge)][:HANGS]
                hung += _hang(telegram, service, ids, slow)
                charges = [charge for charge in charges if charge not in slow]
            first, *_ = STEPS
            for step, faults in STEPS.items():
                seen = _Seen.so_far(telegram)
                _weather(telegram, faults)
                if step == first:
                    at_once(lambda charge, ids=ids: _order(service, ids[charge]), charges)  # type: ignore[misc]
                if thoroughly:
                    eventually(lambda seen=seen: seen.struck(telegram) > 0, within_s=600)
                    service.kill()
                    service.start()
                    kills += 1
                still = len(_pending(service, charges))
                eventually(lambda seen=seen, still=still: seen.struck(telegram) >= 0.9 * still, within_s=600)
            telegram.faults()
            telegram.stripe.faults()
            eventually(lambda charges=charges: not _pending(service, charges), within_s=600)
            stage.progress(min(start + BATCH, number), number, "refunds")
        quiet(telegram, service)
        verdict = stage.judge(service)
        refunds = [charge.times_returned for charge in taken(telegram)]
        lost = _Seen(0, 0).struck(telegram)
        needless = _refused(telegram)
    require(
        verdict,
        each_was_given_back_once=refunds == [1] * number,
        nothing_was_asked_for_that_was_done_already=needless == 0,
        answers_were_lost=lost >= number,
    )
    return {
        "refunds": number,
        "answers lost": lost,
        "kills": kills,
        "hung calls": hung,
        **verdict.figures,
        "given back": sum(refunds),
        "given back twice": sum(times > 1 for times in refunds),
        "asked for again though done": needless,
    }


def _is_stars(charge: str) -> bool:
    return charge.startswith("stx")


def _order(service: Service, payment_id: str) -> None:
    with service.as_service("payments:refund") as client:
        address = f"/internal/v1/payments/{payment_id}/refund"
        assert client.post(address, json={"reason": "a drill"}).status_code == 202


def _pending(service: Service, charges: Sequence[str]) -> set[str]:
    with service.as_service("payments:read") as client:
        found: list[Json] = []
        query: dict[str, str | int] = {"status": "refund_pending", "limit": 200}
        while True:
            page = client.get("/internal/v1/payments", params=query).raise_for_status().json()
            found += page["items"]
            if page["next_cursor"] is None:
                return {record["charge_id"] for record in found} & set(charges)
            query["cursor"] = page["next_cursor"]


def _weather(telegram: SandboxServer, faults: Weather) -> None:
    stars, cards = faults
    telegram.faults(**stars)
    telegram.stripe.faults(**cards)


def _hang(telegram: SandboxServer, service: Service, ids: Mapping[str, str], charges: Sequence[str]) -> int:
    """Telegram takes longer over these than anybody waits; how many calls hung."""
    telegram.faults(api_delay_s=HANGS_S, api_methods=GIVE)
    for charge in charges:
        _order(service, ids[charge])
    eventually(lambda: len(telegram.calls(GIVE[0])) >= len(charges), within_s=600)
    telegram.faults()
    eventually(lambda: not _pending(service, charges), within_s=600)
    return len(charges)


@dataclass(frozen=True, slots=True)
class _Seen:
    """How many calls had been struck before."""

    stars: int
    cards: int

    @classmethod
    def so_far(cls, telegram: SandboxServer) -> Self:
        return cls(_struck_at_telegram(telegram), _struck_at_stripe(telegram))

    def struck(self, telegram: SandboxServer) -> int:
        """Since then. Each order whose call is struck waits before it is tried again, so these are as many orders."""
        return _struck_at_telegram(telegram) + _struck_at_stripe(telegram) - self.stars - self.cards


def _struck_at_telegram(telegram: SandboxServer) -> int:
    return sum(bool(call["fault"]) for method in (*GIVE, *LOOK) for call in telegram.calls(method))


def _struck_at_stripe(telegram: SandboxServer) -> int:
    """Each is tried once more at once, so two make one."""
    return sum(bool(call["fault"]) for name in (*CARD_GIVE, *CARD_LOOK) for call in telegram.stripe.calls(name)) // 2


def _refused(telegram: SandboxServer) -> int:
    """Orders that a provider refused, since the money had gone back already: at one less careful, a second refund."""
    asked = telegram.calls(GIVE[0]) + telegram.stripe.calls(CARD_GIVE[0])
    return sum(400 <= (call["status"] or 0) < 500 and not call["fault"] for call in asked)
