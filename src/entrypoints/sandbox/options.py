"""How one sandbox is set up: fixed for as long as it runs."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What `tollgram sandbox` and `SandboxServer` may choose. Durations are seconds of real time."""

    tokens: tuple[str, ...] = ()
    """The bots that exist. Empty: whoever calls with a well-formed token is a bot."""
    time_scale: float = 1.0
    """Multiplies every waiting of a delivery: back-off, Retry-After, lifetimes, delays."""
    pre_checkout_deadline_s: float = 10.0
    """Not scaled, since the service under test works in real time."""
    webhook_timeout_s: float | None = None
    """How long a webhook may take to answer. None: Telegram's 60 s, scaled, but never so short that an answer
    within the pre-checkout deadline is missed."""
    messages_per_second: float = 30.0
    chat_messages_per_second: float = 1.0
    chat_burst: int = 5
    demo: bool = False
    """Begin with a few people, so that the page has somebody to be."""
    public_url: str = ""
    """Where this sandbox is reached; invoice links start with it. Filled in by whoever binds the port."""
    service_url: str = ""
    service_token: str = ""
    service_features: tuple[str, ...] = ()
    """What the page asks the service about after a purchase, with the token as bearer."""
    stripe_webhook_url: str = ""
    """Where Stripe's events go from the start; an endpoint can also be made through the API."""
    stripe_webhook_secret: str = ""
    """What signs them; several, comma separated, as while one is rolled. Made up where it is empty."""

    mtproto_port: int | None = None
    """Where bots are served over MTProto, too; 0 for any port, None for not at all."""
    mtproto_key_path: str = ""
    """Where the public key is written that a client of it must have."""

    @property
    def answer_timeout_s(self) -> float:
        if self.webhook_timeout_s is not None:
            return self.webhook_timeout_s
        return max(60.0 * self.time_scale, self.pre_checkout_deadline_s + 2.0)
