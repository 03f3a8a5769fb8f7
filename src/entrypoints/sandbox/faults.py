"""What can be made to go wrong, switched on and off while the sandbox runs."""

from typing import Literal

import msgspec

ForgeAt = Literal["both", "pre_checkout", "payment"]
Fault = Literal["lose_answers", "lose_updates", "api_429", "api_5xx", "api_resets", "api_lose_replies"]


class Faults(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Counts say how many more times, -1 for always. Delays are seconds before `time_scale`."""

    # Updates on their way to the webhook
    deliver_times: int = 1
    """Each update again, after its success, until it was delivered this often."""
    deliver_concurrently: int = 1
    """So many copies of each update at the same moment."""
    delivery_delay_s: float = 0.0
    lose_answers: int = 0
    """The webhook's answer is lost after it was given: Telegram sees a time-out, and delivers again."""
    lose_updates: int = 0
    """Updates that are never pushed over MTProto; messages among them can be had by catching up."""
    hold_deliveries: bool = False
    """Updates wait in their queues until this is switched off."""

    # Payments
    pay_as_user: int | None = None
    pay_amount: int | None = None
    pay_currency: str | None = None
    pay_payload: str | None = None
    forge_at: ForgeAt = "both"
    """Where the three above are put in: the pre-checkout query, the payment, or both."""
    skip_pre_checkout: bool = False
    hold_charges: bool = False
    """Money of approved payments moves when this is switched off: buyers think it over, with the bot's yes in hand."""
    refund_from_bot: bool = False
    """`refunded_payment` bears the bot as `from`."""

    # Calls of the Bot API
    api_delay_s: float = 0.0
    """Not scaled."""
    api_429: int = 0
    api_retry_after: int = 1
    api_5xx: int = 0
    api_resets: int = 0
    """The connection is reset before the call is executed."""
    api_lose_replies: int = 0
    """The call is executed, then the connection is reset."""
    api_methods: tuple[str, ...] = ()
    """Which methods the five above concern; empty for all."""
    down: bool = False
    """Every connection to the Bot API is reset, and nothing is delivered."""

    def strike(self, name: Fault) -> bool:
        """Whether this fault happens now; counts it down."""
        left: int = getattr(self, name)
        if left > 0:
            setattr(self, name, left - 1)
        return left != 0

    def concerns(self, method: str) -> bool:
        return not self.api_methods or method.lower() in {name.lower() for name in self.api_methods}


class Weather:
    """The faults in force: everybody's, or a bot's own where it has some."""

    def __init__(self) -> None:
        self.everywhere = Faults()
        self.of_bot: dict[int, Faults] = {}

    def at(self, bot_id: int) -> Faults:
        return self.of_bot.get(bot_id, self.everywhere)
