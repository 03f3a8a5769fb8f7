"""A pushed event is believed where it is signed with a secret that both know, and fresh."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.webhooks.receiver import body_of, id_of
from adapters.webhooks.signing import secret_of, signed_headers
from application.ports.feed import NumberedNotice
from domain.ids import UserId
from domain.notices import Notice, NoticeType
from tollgram_client import AsyncTollgram, Tollgram, WebhookRefused, verify_webhook

NOON = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
NOW = NOON.timestamp()
OLD, NEW, OTHER = ("whsec_" + base64.b64encode(bytes([byte] * 32)).decode() for byte in (1, 2, 3))
EVENT = NumberedNotice(
    sequence=7,
    notice=Notice(type=NoticeType.ENTITLEMENT_GRANTED, user_id=UserId(1001), at=NOON, data={"plan_code": "gold_1m"}),
)
BODY = body_of(EVENT)


def signed(*secrets: str, body: bytes = BODY) -> dict[str, str]:
    """As the service does it."""
    return signed_headers([secret_of(secret) for secret in secrets], id_of(EVENT), NOON, body)


@pytest.mark.parametrize("secrets", [OLD, [OLD], [NEW, OLD]])
@pytest.mark.parametrize("by", [[OLD], [OLD, NEW]])
def test_what_the_service_signs_is_read(secrets: Any, by: list[str]) -> None:
    event = verify_webhook({name.title(): value for name, value in signed(*by).items()}, BODY, secrets, now=NOW + 299)

    assert (event.id, event.sequence, event.type) == ("evt_7", 7, "entitlement.granted")
    assert (event.user_id, event.data, event.at) == (1001, {"plan_code": "gold_1m"}, NOON)


@pytest.mark.parametrize(
    ("changed", "body", "now"),
    [
        pytest.param({}, BODY.replace(b"1001", b"1002"), NOW, id="another body"),
        pytest.param({"webhook-id": "evt_8"}, BODY, NOW, id="another id"),
        pytest.param({"webhook-timestamp": str(int(NOW) + 1)}, BODY, NOW, id="another time"),
        pytest.param(signed(OTHER), BODY, NOW, id="another secret"),
        pytest.param({"webhook-signature": signed(OLD)["webhook-signature"][3:]}, BODY, NOW, id="no version"),
        pytest.param({"webhook-signature": ""}, BODY, NOW, id="not signed"),
        pytest.param({"webhook-signature": "v1,\udcff"}, BODY, NOW, id="signed with what is no text"),
        pytest.param({"webhook-id": ""}, BODY, NOW, id="no id"),
        pytest.param({"webhook-timestamp": "٣"}, BODY, NOW, id="digits of another script"),
        pytest.param({"webhook-timestamp": "-1"}, BODY, NOW, id="no number"),
        pytest.param({}, BODY, NOW + 301, id="too old"),
        pytest.param({}, BODY, NOW - 301, id="from the future"),
    ],
)
def test_anything_else_is_refused(changed: Mapping[str, str], body: bytes, now: float) -> None:
    with pytest.raises(WebhookRefused):
        verify_webhook({**signed(OLD), **changed}, body, OLD, now=now)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", json.dumps({**json.loads(BODY), "sequence": "7"}).encode()])
def test_what_is_signed_and_no_event_is_refused(body: bytes) -> None:
    with pytest.raises(WebhookRefused, match="tells of no event"):
        verify_webhook(signed(OLD, body=body), body, OLD, now=NOW)


@pytest.mark.parametrize("secrets", ["", [], "whsec_", "whsec_!", base64.b64encode(b"x" * 32).decode()])
def test_without_a_secret_nothing_is_verified(secrets: Any) -> None:
    with pytest.raises(ValueError, match="secret"):
        verify_webhook(signed(OLD), BODY, secrets, now=NOW)


def test_both_shells_bring_it_along_and_know_the_time() -> None:
    for shell in (Tollgram, AsyncTollgram):
        with pytest.raises(WebhookRefused, match="too old"):
            shell.verify_webhook(signed(OLD), BODY, OLD)
