"""Looks at the way to a bot's webhook as Telegram goes it: an update that is none is sent to the address, and what is
answered tells who listens there. Nothing is taken note of: our own service refuses it, once the secret was right."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

import httpx
import msgspec

from domain.ids import BotName
from entrypoints.examination.findings import Finding, Verdict
from entrypoints.settings import TELEGRAM_API, Settings

WITHIN_S: Final = 5.0
PORTS: Final = (443, 80, 88, 8443)
"""Those that Telegram calls: https://core.telegram.org/bots/api#setwebhook"""
NO_UPDATE: Final = b"{}"


class _Problem(msgspec.Struct, frozen=True):
    """What our service says of a request that it refuses."""

    code: str


def examine_way(settings: Settings, subject: str, bot: BotName) -> Iterator[Finding]:
    """Nothing of an address that Telegram would not call, other than that; the secret goes nowhere but where Telegram
    takes it as well."""
    parts = urlsplit(settings.public_url)
    telegrams_own = settings.telegram_api_base == TELEGRAM_API
    if telegrams_own and parts.port not in (None, *PORTS):
        yield Finding(
            Verdict.WRONG,
            subject,
            f"Telegram calls the ports {', '.join(map(str, PORTS))} alone, and PUBLIC_URL has {parts.port}",
            "Let a proxy listen at one of them, and set PUBLIC_URL to its address.",
        )
    elif settings.webhook_secrets and (parts.scheme == "https" or not telegrams_own):
        yield _tried(settings.webhook_address(bot), settings.webhook_secrets[0], subject)


def _tried(address: str, secret: str, subject: str) -> Finding:
    headers = {"Content-Type": "application/json", "X-Telegram-Bot-Api-Secret-Token": secret}
    try:
        answer = httpx.post(address, content=NO_UPDATE, headers=headers, timeout=WITHIN_S, follow_redirects=False)
    except (httpx.HTTPError, httpx.InvalidURL) as problem:
        return Finding(
            Verdict.WARNING,
            subject,
            f"nobody answers from here at {address}: {str(problem) or type(problem).__name__}",
            "Is the service running, and the proxy before it? Some networks do not reach their own public name: then "
            f"try from elsewhere: curl -X POST {address}",
        )
    match answer.status_code, _code(answer):
        case 400, "invalid_request":
            return Finding(Verdict.GOOD, subject, f"the service answers at {address}, and knows its secret")
        case 401, "unauthenticated":
            return Finding(
                Verdict.WRONG,
                subject,
                f"the service at {address} has another TELEGRAM_WEBHOOK_SECRET than is set here",
                "Start the service anew with these settings, then: tollgram webhook set",
            )
        case 403, "forbidden":
            return Finding(
                Verdict.GOOD,
                subject,
                f"the service answers at {address}; TELEGRAM_IP_ALLOWLIST lets nobody else try its secret",
            )
        case 404, "not_found":
            return Finding(
                Verdict.WRONG,
                subject,
                f"the service at {address} does not serve this bot",
                "Start the service anew with these settings.",
            )
        case 503, "unavailable":
            return Finding(
                Verdict.WARNING,
                subject,
                f"the service at {address} can't take updates just now",
                "Its log says why; what is said of the database above may be the cause.",
            )
        case status, _:
            return Finding(
                Verdict.WARNING,
                subject,
                f"{address} leads elsewhere: what answers there, with {status}, is no Tollgram",
                "Is PUBLIC_URL right, and does the proxy hand on the whole path? Telegram follows no redirects.",
            )


def _code(answer: httpx.Response) -> str:
    """The code of a problem as our service tells it; empty where somebody else answers."""
    if not answer.headers.get("content-type", "").startswith("application/problem+json"):
        return ""
    try:
        return msgspec.json.decode(answer.content, type=_Problem).code
    except (ValueError, RecursionError):
        return ""
