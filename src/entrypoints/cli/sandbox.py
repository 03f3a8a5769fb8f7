"""`tollgram sandbox`."""

import os

from entrypoints.cli.listening import require_free, stop_in_peace
from entrypoints.sandbox.app import run
from entrypoints.sandbox.options import Options


def sandbox(*, host: str, port: int, mtproto_port: int | None = None, mtproto_key: str = "") -> None:
    """Play Telegram until told to stop; over MTProto, too, where it is given a port for it."""
    stop_in_peace()
    require_free(host, port, "tollgram sandbox --port {port}")
    if mtproto_port:
        require_free(host, mtproto_port, "tollgram sandbox --mtproto-port {port}")
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
            mtproto_port=mtproto_port,
            mtproto_key_path=mtproto_key,
        ),
    )
