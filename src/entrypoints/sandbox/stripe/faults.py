"""What can be made to go wrong at Stripe alone."""

from typing import Literal

import msgspec


class StripeFaults(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Counts say how many more times, -1 for always. Delays are seconds."""

    # Events on their way to the endpoint
    deliver_times: int = 1
    """Each event again, after its success, until it was delivered this often."""
    deliver_concurrently: int = 1
    """So many copies of each event at the same moment."""
    delivery_delay_s: float = 0.0
    """Before `time_scale`."""
    delivery_jitter_s: float = 0.0
    """Each event up to so much later, by chance: they overtake each other. Before `time_scale`."""
    twin_events: bool = False
    """Each change comes as two events, each with an id of its own."""
    lose_events: int = 0
    """Never delivered; only the list of events has them."""
    lose_answers: int = 0
    """The endpoint's answer is lost after it was given, so the event comes again."""
    hold_events: bool = False
    """Events wait until this is switched off, or until they are released one by one."""
    event_types: tuple[str, ...] = ()
    """Which types all of these concern; empty for all."""
    refunds_pending: bool = False
    """Refunds stay pending until their outcome is settled."""

    # Calls of the API
    api_delay_s: float = 0.0
    """Not scaled."""
    api_429: int = 0
    api_5xx: int = 0
    api_resets: int = 0
    """The connection is reset before the call is executed."""
    api_lose_replies: int = 0
    """The call is executed, then the connection is reset."""
    api_methods: tuple[str, ...] = ()
    """Which calls the five above concern, by names such as `checkout.sessions.create`; empty for all."""
    down: bool = False
    """Every connection to the API is reset, and nothing is delivered."""

    def strike(
        self, name: Literal["lose_events", "lose_answers", "api_429", "api_5xx", "api_resets", "api_lose_replies"]
    ) -> bool:
        """Whether this fault happens now; counts it down."""
        left: int = getattr(self, name)
        if left > 0:
            setattr(self, name, left - 1)
        return left != 0

    def concerns_call(self, name: str) -> bool:
        return not self.api_methods or name in self.api_methods

    def concerns_event(self, event_type: str) -> bool:
        return not self.event_types or event_type in self.event_types
