"""Events of the sandbox's Stripe on their way to the service: signed, tried again, doubled, lost, and out of order."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
import stripe

from tests.integration.sandbox_server import Json, Reply, SandboxError, SandboxServer, WebhookReceiver
from tests.integration.test_sandbox_stripe import client, order

PAID = ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded", "checkout.session.completed"]


@pytest.fixture(scope="module")
def telegram() -> Iterator[SandboxServer]:
    with SandboxServer(quiet_s=0.02) as telegram:
        yield telegram


@pytest.fixture
def hook(telegram: SandboxServer) -> Iterator[WebhookReceiver]:
    telegram.stripe.reset()
    with WebhookReceiver() as hook:
        hook.answer = lambda _: Reply()
        telegram.stripe.set_webhook(hook.url)
        yield hook
        telegram.stripe.faults()
        telegram.stripe.set_webhook("")


def a_session(telegram: SandboxServer) -> str:
    return str(client(telegram).checkout.sessions.create(order()).id)


def types(hook: WebhookReceiver) -> list[str]:
    return [one.update["type"] for one in hook.received]


def verified(hook: WebhookReceiver, secret: str) -> list[Any]:
    """By Stripe's own code, which raises where a signature does not fit."""
    return [stripe.Webhook.construct_event(one.body, one.headers["Stripe-Signature"], secret) for one in hook.received]


def test_every_event_is_signed_as_stripe_signs(telegram: SandboxServer, hook: WebhookReceiver) -> None:
    telegram.stripe.pay(a_session(telegram))
    telegram.wait_idle()
    events = verified(hook, telegram.stripe.webhook_secret)
    assert sorted(event.type for event in events) == sorted(PAID)
    (completed,) = [event for event in events if event.type == "checkout.session.completed"]
    assert completed.data.object.payment_status == "paid"
    assert (completed.livemode, completed.api_version) == (False, stripe.api_version)
    with pytest.raises(stripe.SignatureVerificationError):
        verified(hook, "whsec_other")


def test_the_snapshot_stays_as_it_was_while_the_object_goes_on(telegram: SandboxServer, hook: WebhookReceiver) -> None:
    paid = telegram.stripe.pay(a_session(telegram))
    telegram.stripe.refund(paid.charge)
    (succeeded,) = telegram.stripe.events("charge.succeeded")
    assert succeeded["event"]["data"]["object"]["amount_refunded"] == 0
    (refunded,) = telegram.stripe.events("charge.refunded")
    assert refunded["event"]["data"]["object"]["amount_refunded"] == 2500
    assert refunded["event"]["data"]["previous_attributes"] == {"amount_refunded": 0, "refunded": False}


def test_while_a_secret_is_rolled_both_sign(telegram: SandboxServer, hook: WebhookReceiver) -> None:
    telegram.stripe.set_webhook(hook.url, secrets=["whsec_old", "whsec_new"])
    telegram.stripe.expire(a_session(telegram))
    telegram.wait_idle()
    for secret in ("whsec_old", "whsec_new"):
        assert [event.type for event in verified(hook, secret)] == ["checkout.session.expired"]


def test_an_endpoint_made_through_the_api_gets_what_it_asked_for(
    telegram: SandboxServer, hook: WebhookReceiver
) -> None:
    telegram.stripe.set_webhook("")
    made = client(telegram).webhook_endpoints.create(
        {"url": hook.url, "enabled_events": ["checkout.session.completed", "charge.refunded"]}
    )
    assert made.secret.startswith("whsec_")
    listed = client(telegram).webhook_endpoints.list().data
    assert [one.id for one in listed] == [made.id]
    assert not hasattr(listed[0], "secret")
    telegram.stripe.pay(a_session(telegram))
    telegram.wait_idle()
    assert [event.type for event in verified(hook, made.secret)] == ["checkout.session.completed"]
    client(telegram).webhook_endpoints.delete(made.id)
    telegram.stripe.pay(a_session(telegram))
    telegram.wait_idle()
    assert len(hook.received) == 1


def test_test_mode_events_do_not_go_to_a_live_endpoint(telegram: SandboxServer, hook: WebhookReceiver) -> None:
    telegram.stripe.set_webhook("")
    telegram.stripe.set_webhook(hook.url, livemode=True)
    telegram.stripe.expire(a_session(telegram))
    live = client(telegram, telegram.stripe.live_key).checkout.sessions.create(order())
    telegram.stripe.expire(live.id)
    telegram.wait_idle()
    assert [one.update["livemode"] for one in hook.received] == [True]


def test_money_that_comes_late_is_told_twice(telegram: SandboxServer, hook: WebhookReceiver) -> None:
    good, bad = a_session(telegram), a_session(telegram)
    for session in (good, bad):
        telegram.stripe.pay_late(session)
    telegram.stripe.settle_late(good, "succeeded")
    telegram.stripe.settle_late(bad, "failed")
    told = {
        (event["type"], event["event"]["data"]["object"]["id"]): event["event"]["data"]["object"]["payment_status"]
        for event in telegram.stripe.events()
        if event["type"].startswith("checkout.session.")
    }
    assert told == {
        ("checkout.session.completed", good): "unpaid",
        ("checkout.session.completed", bad): "unpaid",
        ("checkout.session.async_payment_succeeded", good): "paid",
        ("checkout.session.async_payment_failed", bad): "unpaid",
    }


def test_a_dispute_is_told_step_by_step(telegram: SandboxServer, hook: WebhookReceiver) -> None:
    paid = telegram.stripe.pay(a_session(telegram))
    for step in ("open", "withdraw", "answer", "win"):
        telegram.stripe.dispute(paid.charge, step)
    assert [event["type"].removeprefix("charge.dispute.") for event in telegram.stripe.events()][len(PAID) :] == [
        "created",
        "funds_withdrawn",
        "updated",
        "funds_reinstated",
        "closed",
    ]


@pytest.mark.parametrize("status", [400, 410, 500, 503, 302])
def test_whatever_is_no_success_comes_again(telegram: SandboxServer, hook: WebhookReceiver, status: int) -> None:
    left = [status, status]
    hook.answer = lambda _: Reply(status=left.pop() if left else 200)
    telegram.stripe.expire(a_session(telegram))
    telegram.wait_idle()
    assert types(hook) == ["checkout.session.expired"] * 3
    (event,) = telegram.stripe.events("checkout.session.expired")
    (delivery,) = event["deliveries"]
    assert delivery["state"] == "delivered"
    assert [attempt["status"] for attempt in delivery["attempts"]] == [status, status, 200]
    assert event["event"]["pending_webhooks"] == 0
    verified(hook, telegram.stripe.webhook_secret)


def test_events_overtake_each_other_so_one_that_fails_holds_up_nobody(
    telegram: SandboxServer, hook: WebhookReceiver
) -> None:
    hook.answer = lambda event: Reply(status=503 if event["type"] == "charge.succeeded" else 200)
    telegram.stripe.pay(a_session(telegram))
    deadline = time.monotonic() + 5
    while "checkout.session.completed" not in types(hook) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "checkout.session.completed" in types(hook)
    hook.answer = lambda _: Reply()
    telegram.wait_idle()
    assert "charge.succeeded" in types(hook)


def test_after_three_days_an_event_is_given_up() -> None:
    with SandboxServer(time_scale=0.000_001) as telegram, WebhookReceiver() as hook:
        telegram.stripe.set_webhook(hook.url)
        hook.answer = lambda _: Reply(status=500)
        session = a_session(telegram)
        telegram.stripe.expire(session)
        telegram.wait_idle()
        (event,) = telegram.stripe.events("checkout.session.expired")
        assert event["deliveries"][0]["state"] == "failed"
        undelivered = client(telegram).events.list({"delivery_success": False}).data
        assert [one.type for one in undelivered] == ["checkout.session.expired"]


def test_events_that_are_held_back_come_in_the_order_that_is_wanted(
    telegram: SandboxServer, hook: WebhookReceiver
) -> None:
    telegram.stripe.faults(hold_events=True)
    telegram.stripe.pay(a_session(telegram))
    telegram.wait_idle()
    assert hook.received == []
    ids = telegram.stripe.event_ids()
    telegram.stripe.release(ids[::-1])
    assert types(hook) == PAID[::-1]
    with pytest.raises(SandboxError, match="not held back"):
        telegram.stripe.release(ids[:1])
    telegram.stripe.expire(a_session(telegram))
    assert len(hook.received) == 4
    telegram.stripe.faults()
    telegram.wait_idle()
    assert types(hook)[4:] == ["checkout.session.expired"]


def test_events_are_sent_again_in_any_order_and_number(telegram: SandboxServer, hook: WebhookReceiver) -> None:
    telegram.stripe.pay(a_session(telegram))
    telegram.wait_idle()
    ids = telegram.stripe.event_ids()
    hook.received.clear()
    again = telegram.stripe.resend([ids[3], ids[0]], times=2)
    assert types(hook) == [PAID[3], PAID[3], PAID[0], PAID[0]]
    assert [one.status for one in again] == [200] * 4
    assert len(telegram.stripe.resend(ids, times=3, concurrent=True)) == 12
    verified(hook, telegram.stripe.webhook_secret)


@pytest.mark.parametrize(
    ("fault", "times"),
    [
        pytest.param({"deliver_times": 3}, 3, id="one after the other"),
        pytest.param({"deliver_concurrently": 4}, 4, id="at once"),
        pytest.param({"lose_answers": 1}, 2, id="because the answer was lost"),
    ],
)
def test_an_event_can_come_more_than_once(
    telegram: SandboxServer, hook: WebhookReceiver, fault: Json, times: int
) -> None:
    session = a_session(telegram)
    telegram.stripe.faults(**fault)
    telegram.stripe.expire(session)
    telegram.wait_idle()
    assert len(hook.received) == times
    assert len({one.update["id"] for one in hook.received}) == 1


def test_one_change_can_come_as_two_events(telegram: SandboxServer, hook: WebhookReceiver) -> None:
    telegram.stripe.faults(twin_events=True, event_types=["checkout.session.completed"])
    telegram.stripe.pay(a_session(telegram))
    telegram.wait_idle()
    twins = [one.update for one in hook.received if one.update["type"] == "checkout.session.completed"]
    assert len({twin["id"] for twin in twins}) == 2
    assert twins[0]["data"] == twins[1]["data"]
    assert len(hook.received) == len(PAID) + 1


def test_an_event_that_is_lost_is_only_in_the_list(telegram: SandboxServer, hook: WebhookReceiver) -> None:
    telegram.stripe.faults(lose_events=-1, event_types=["checkout.session.completed"])
    telegram.stripe.pay(a_session(telegram))
    telegram.wait_idle()
    assert "checkout.session.completed" not in types(hook)
    listed = client(telegram).events.list({"types": ["checkout.session.completed"]}).data
    assert client(telegram).events.retrieve(listed[0].id).data.object.payment_status == "paid"
    telegram.stripe.resend([listed[0].id])
    assert "checkout.session.completed" in types(hook)


def test_events_can_come_late(telegram: SandboxServer, hook: WebhookReceiver) -> None:
    telegram.stripe.faults(delivery_delay_s=20, delivery_jitter_s=1)
    telegram.stripe.expire(a_session(telegram))
    assert hook.received == []
    telegram.wait_idle()
    assert len(hook.received) == 1


@pytest.mark.parametrize(
    ("signature", "agrees"),
    [("good", True), ("bad", False), ("tampered", False), ("old", False), ("other_scheme", False), ("none", False)],
)
def test_a_forged_event_bears_the_signature_that_was_asked_for(
    telegram: SandboxServer, hook: WebhookReceiver, signature: Any, agrees: bool
) -> None:
    session = {"id": "cs_test_made_up", "object": "checkout.session", "payment_status": "paid"}
    (delivery,) = telegram.stripe.forge_event("checkout.session.completed", session, signature=signature)
    assert delivery.status == 200
    (received,) = hook.received
    header = received.headers.get("Stripe-Signature")
    try:
        stripe.Webhook.construct_event(received.body, header, telegram.stripe.webhook_secret)
        believed = True
    except stripe.SignatureVerificationError:
        believed = False
    assert believed == agrees
    assert telegram.stripe.ledger() == []
    assert client(telegram).events.list().data == []


def test_a_signature_can_be_from_the_future_and_the_body_can_be_anything(
    telegram: SandboxServer, hook: WebhookReceiver
) -> None:
    telegram.stripe.forge_event(raw=b"\xff\x00 no JSON", age_s=-301)
    (received,) = hook.received
    assert received.body == b"\xff\x00 no JSON"
    at = int(received.headers["Stripe-Signature"].split(",")[0].removeprefix("t="))
    assert 295 < at - time.time() < 305


def test_the_sandbox_can_start_with_an_endpoint() -> None:
    with WebhookReceiver() as hook, SandboxServer(stripe_webhook_url=hook.url, quiet_s=0.02) as telegram:
        telegram.stripe.expire(a_session(telegram))
        telegram.wait_idle()
        assert [event.type for event in verified(hook, telegram.stripe.webhook_secret)] == ["checkout.session.expired"]


def test_forgetting_everything_leaves_endpoint_and_prices(telegram: SandboxServer, hook: WebhookReceiver) -> None:
    telegram.stripe.set_price("price_kept", 100, "gbp")
    telegram.stripe.pay(a_session(telegram))
    telegram.reset()
    assert (telegram.stripe.ledger(), telegram.stripe.events(), telegram.stripe.calls()) == ([], [], [])
    assert client(telegram).prices.retrieve("price_kept").unit_amount == 100
    hook.received.clear()
    telegram.stripe.expire(a_session(telegram))
    telegram.wait_idle()
    assert types(hook) == ["checkout.session.expired"]
