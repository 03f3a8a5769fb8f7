"""`tollgram token`."""

from datetime import timedelta

from adapters.clock import SystemClock
from adapters.tokens import TokenMaker
from entrypoints.cli.failure import WRONG, CommandError
from entrypoints.settings import Settings


def make_token(*, user_id: int, scopes: tuple[str, ...], hours: int) -> str:
    """A token for that user with those scopes, signed with AUTH_JWT_SECRET."""
    settings = Settings.load()
    if settings.jwt_secret is None:
        raise CommandError(
            "AUTH_JWT_SECRET: is missing, and nothing else can sign a token here.",
            "Whoever holds the private keys of AUTH_JWKS makes the tokens."
            if settings.jwks
            else "Set it in the environment or in .env; `make run` keeps its own in var/secrets.env.",
            WRONG,
        )
    maker = TokenMaker(settings.jwt_secret, settings.jwt_audience, settings.jwt_issuer)
    return maker.make(subject=str(user_id), scopes=scopes, now=SystemClock().now(), good_for=timedelta(hours=hours))
