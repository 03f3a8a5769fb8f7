"""Telegram is slow, says 429 or 5xx, breaks connections, loses answers and doubles what it delivers."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from drills.crowd import at_once, quiet
from drills.stage import Figures, Stage, Violated, require
from tests.integration.buying import invoice_for, newcomer
from tests.integration.sandbox_server import SandboxServer
from tests.integration.service import eventually

WEATHERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "slow": {"api_delay_s": 0.5, "delivery_delay_s": 10.0},
    "429": {"api_429": -1, "api_retry_after": 1},
    "5xx": {"api_5xx": -1},
    "resets": {"api_resets": -1},
    "lost replies": {"api_lose_replies": 4},
    "lost answers": {"lose_answers": 12},
    "doubled": {"deliver_times": 2, "deliver_concurrently": 3},
    "down": {"down": True},
}
THANKS: Final = "paid. Thank you"


def telegram_weather(stage: Stage, each: int) -> Figures:
    """People pay in each kind of weather; every payment is settled once, and every buyer is thanked."""
    telegram = stage.telegram
    with stage.service() as service:
        users = [newcomer(telegram) for _ in range(each * len(WEATHERS))]
        invoices = at_once(lambda user: invoice_for(service, user, "day_pass"), users)
        orders = list(zip(users, (sent["telegram_message_id"] for sent in invoices), strict=True))
        for number, faults in enumerate(WEATHERS.values()):
            telegram.faults(**faults)
            # Money that moved is what is at stake: whether a pre-checkout is answered is another matter.
            at_once(
                lambda order: telegram.pay(order[0], order[1], skip_pre_checkout=True),
                orders[number * each : (number + 1) * each],
            )
            _let_it_rain(telegram, faults)
            stage.progress(number + 1, len(WEATHERS), "kinds of weather")
        telegram.faults()
        quiet(telegram, service)
        eventually(lambda: service.metrics().get("outbox_pending", -1.0) == 0, within_s=120)
        verdict = stage.judge(service)
        thanked = _thanked(telegram, users)
        given_up = len(service.log_lines("message.given_up"))
    require(verdict)
    if unthanked := sum(thanked[user] == 0 for user in users):
        raise Violated(f"{unthanked} buyers were never told that their payment was settled")
    return {
        "kinds of weather": len(WEATHERS),
        **verdict.figures,
        "thanked": len(thanked),
        "thanked twice": sum(times > 1 for times in thanked.values()),
        "given up": given_up,
    }


def _let_it_rain(telegram: SandboxServer, faults: Mapping[str, Any]) -> None:
    """Until it has struck: some calls have failed, or all is delivered in spite of it."""
    if faults.get("down") or any(faults.get(name) == -1 for name in faults):
        before = len(telegram.calls("sendMessage"))
        eventually(lambda: bool(faults.get("down")) or len(telegram.calls("sendMessage")) > before + 3)
    else:
        eventually(lambda: telegram.state()["waiting"] == 0, within_s=120)


def _thanked(telegram: SandboxServer, users: Sequence[int]) -> Counter[int]:
    sent = [call["arguments"] for call in telegram.calls("sendMessage") if call["status"] == 200]
    told = Counter(int(one["chat_id"]) for one in sent if THANKS in one["text"])
    return Counter({user: told[user] for user in users if told[user]})
