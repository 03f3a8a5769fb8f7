"""Where updates are sent.

Source: Client::process_set_webhook_query in tdlib/telegram-bot-api.
"""

import ipaddress
import re
from urllib.parse import urlsplit

from entrypoints.sandbox.arguments import Arguments
from entrypoints.sandbox.checkout import Checkout
from entrypoints.sandbox.delivery import Webhook
from entrypoints.sandbox.people import Bot, Json
from entrypoints.sandbox.refusal import bad_request
from entrypoints.sandbox.updates import KINDS

DEFAULT_CONNECTIONS = 40
MOST_CONNECTIONS = 100
PORTS = (443, 80, 88, 8443)
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")


def set_webhook(checkout: Checkout, bot: Bot, arguments: Arguments) -> bool:
    courier = checkout.telegram.couriers[bot.id]
    url = arguments.text("url").strip()
    if not url:
        return delete_webhook(checkout, bot, arguments)
    _check_address(url)
    secret = arguments.text("secret_token")
    if secret and _SECRET.fullmatch(secret) is None:
        raise bad_request(
            "secret token contains unallowed characters" if len(secret) <= 256 else "secret token is too long"
        )
    connections = arguments.integer("max_connections", DEFAULT_CONNECTIONS, at_least=1, at_most=MOST_CONNECTIONS)
    allowed, drop = _allowed_updates(arguments), arguments.flag("drop_pending_updates")
    if allowed is not None:  # not given: the bot's former list stays
        courier.allowed_updates = allowed
    if drop:
        courier.drop_pending()
    before = courier.webhook
    if (
        drop
        or before is None
        or (before.url, before.secret_token, before.max_connections) != (url, secret, connections)
    ):
        # "Webhook is already set" otherwise: what waits goes on waiting, and the last error stays.
        courier.set_webhook(Webhook(url=url, secret_token=secret, max_connections=connections))
    checkout.telegram.stream.tell("webhook", get_webhook_info(checkout, bot, arguments) | {"bot_id": bot.id})
    return True


def delete_webhook(checkout: Checkout, bot: Bot, arguments: Arguments) -> bool:
    courier = checkout.telegram.couriers[bot.id]
    if arguments.flag("drop_pending_updates"):
        courier.drop_pending()
    courier.set_webhook(None)
    checkout.telegram.stream.tell("webhook", get_webhook_info(checkout, bot, arguments) | {"bot_id": bot.id})
    return True


def get_webhook_info(checkout: Checkout, bot: Bot, arguments: Arguments) -> Json:
    courier = checkout.telegram.couriers[bot.id]
    webhook = courier.webhook
    info: Json = {
        "url": webhook.url if webhook is not None else "",
        "has_custom_certificate": False,
        "pending_update_count": len(courier.pending()),
    }
    if webhook is not None:
        info["max_connections"] = webhook.max_connections
        if webhook.last_error_at is not None:
            info["last_error_date"] = webhook.last_error_at
            info["last_error_message"] = webhook.last_error
    if courier.allowed_updates:
        info["allowed_updates"] = list(courier.allowed_updates)
    return info


def _check_address(url: str) -> None:
    """As Telegram, except that plain http and any port are fine on the loopback."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise bad_request("bad webhook: invalid webhook URL specified") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise bad_request("bad webhook: invalid webhook URL specified")
    if _is_loopback(parts.hostname):
        return
    if parts.scheme != "https":
        raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
    if (port or 443) not in PORTS:
        raise bad_request("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _allowed_updates(arguments: Arguments) -> tuple[str, ...] | None:
    """Empty: the default kinds. Unknown kinds are passed over, as Telegram does."""
    wanted = arguments.json("allowed_updates", "allowed updates")
    if wanted is None:
        return None
    if not isinstance(wanted, list) or not all(isinstance(kind, str) for kind in wanted):
        raise bad_request("allowed_updates must be an Array of String")
    return tuple(dict.fromkeys(kind.lower() for kind in wanted if kind.lower() in KINDS))
