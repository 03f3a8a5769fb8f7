"""`tollgram sandbox`."""

import os

from entrypoints.cli.listening import require_free, stop_in_peace
from entrypoints.sandbox.app import run
from entrypoints.sandbox.options import Options


def sandbox(*, host: str, port: int) -> None:
    """Play Telegram until told to stop."""
    stop_in_peace()
    require_free(host, port, "tollgram sandbox --port {port}")
    run(
        host,
        port,
        Options(
            demo=True,
            service_url=os.environ.get("SANDBOX_SERVICE_URL", ""),
            service_token=os.environ.get("SANDBOX_SERVICE_TOKEN", ""),
            service_features=tuple(os.environ.get("SANDBOX_SERVICE_FEATURES", "").split()),
            stripe_webhook_url=os.environ.get("SANDBOX_STRIPE_WEBHOOK", ""),
            stripe_webhook_secret=os.environ.get("STRIPE_WEBHOOK_SECRET", ""),
        ),
    )
