"""Criteria 5: who has paid may come in, at once and everywhere, and nobody comes in twice as much."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.integration.buying import (
    SEND_INVOICE,
    buy,
    entitlements_of,
    invoice_for,
    newcomer,
    pay,
    payments_of,
    rows,
    settled,
    told,
)
from tests.integration.sandbox_server import Json, SandboxServer
from tests.integration.service import Service, eventually, only

DAY = timedelta(days=1)
A_DAY_IN_S = 86400
AT_ONCE_S = 10.0
"""On a machine that has other things to do."""


def as_mini_app(service: Service, init_data: str) -> httpx.Client:
    return httpx.Client(base_url=service.url, headers={"Authorization": f"tma {init_data}"}, verify=False)


def feature(service: Service, user_id: int, name: str) -> Json:
    with service.as_service() as client:
        answer: Json = client.get(f"/internal/v1/users/{user_id}/features/{name}").raise_for_status().json()
        return answer


@pytest.mark.criterion("5.1", "5.4")
def test_the_door_is_shut_before_the_payment_and_open_right_after_it(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    sent = invoice_for(service, ada)
    assert not service.allowed(ada, "signals")
    outcome = telegram.pay(ada, sent["telegram_message_id"])
    eventually(lambda: service.allowed(ada, "signals"), within_s=AT_ONCE_S)

    assert outcome.status == "paid"


@pytest.mark.criterion("5.1")
def test_an_entitlement_is_active_until_it_ends_and_shuts_the_door_by_itself(
    service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    buy(service, telegram, ada)
    assert only(entitlements_of(service, ada))["active"] is True
    times = ("2019-12-01 00:00:00.000000+00:00", "2020-01-01 00:00:00.000000+00:00")
    rows(service, "UPDATE entitlements SET starts_at = ?, expires_at = ? WHERE user_id = ?", *times, ada)

    assert only(entitlements_of(service, ada))["active"] is False
    assert feature(service, ada, "signals")["allowed"] is False


@pytest.mark.criterion("5.2")
def test_it_bears_the_time_at_which_it_was_granted(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    before = datetime.now(UTC)
    buy(service, telegram, ada, "founder")

    entitlement = only(entitlements_of(service, ada))
    assert before <= datetime.fromisoformat(entitlement["granted_at"]) <= datetime.now(UTC)
    assert entitlement["granted_at"].endswith("Z")
    assert entitlement["expires_at"] is None


@pytest.mark.criterion("5.3")
def test_of_two_plans_only_the_one_that_was_paid_for_opens(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    invoice_for(service, ada, "founder")
    pay(telegram, ada, invoice_for(service, ada, "pounds_only"))

    entitlement = only(entitlements_of(service, ada))
    assert (entitlement["plan_code"], entitlement["features"]) == ("pounds_only", ["letters"])
    assert [service.allowed(ada, name) for name in ("letters", "signals", "founders_room")] == [True, False, False]


@pytest.mark.criterion("5.4")
def test_a_service_is_told_by_which_plan_until_when_and_within_which_limits(
    service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    buy(service, telegram, ada)

    assert feature(service, ada, "copy_trading") == {
        "user_id": ada,
        "feature": "copy_trading",
        "allowed": True,
        "plan_code": "gold_1m",
        "expires_at": only(entitlements_of(service, ada))["expires_at"],
        "limits": {"max_devices": 3},
    }


@pytest.mark.criterion("5.4")
def test_of_several_plans_that_open_it_the_latest_end_is_told(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    for plan_code in ("day_pass", "gold_1m"):
        buy(service, telegram, ada, plan_code)

    assert feature(service, ada, "signals")["plan_code"] == "gold_1m"
    buy(service, telegram, ada, "founder")
    endless = feature(service, ada, "signals")
    assert (endless["plan_code"], endless["expires_at"], endless["limits"]) == ("founder", None, {"max_devices": 3})


@pytest.mark.criterion("5.4")
def test_who_was_never_seen_and_what_nobody_sells_is_a_plain_no(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    buy(service, telegram, ada)

    for user_id, name in ((2**52 - 1, "signals"), (ada, "no_such_feature")):
        answer = feature(service, user_id, name)
        assert (answer["allowed"], answer["plan_code"], answer["expires_at"]) == (False, None, None)


@pytest.mark.criterion("5.5")
def test_deliveries_at_once_and_again_after_answers_that_got_lost_make_one_right(
    service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    sent = invoice_for(service, ada)
    telegram.faults(lose_answers=2, deliver_concurrently=4, deliver_times=3)
    try:
        telegram.pay(ada, sent["telegram_message_id"], skip_pre_checkout=True)
        settled(telegram)
    finally:
        telegram.faults()

    update = only([u for u in telegram.updates("message") if u["user_id"] == ada])
    assert len(update["attempts"]) >= 6
    assert len(entitlements_of(service, ada)) == len(payments_of(service, ada)) == 1


@pytest.mark.criterion("5.5")
def test_two_payments_make_one_longer_right_not_two_at_once(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    first, second = (invoice_for(service, ada, "day_pass") for _ in range(2))
    with ThreadPoolExecutor(2) as at_once:
        paid = list(at_once.map(lambda sent: telegram.pay(ada, sent["telegram_message_id"]), (first, second)))
    settled(telegram)

    assert [outcome.status for outcome in paid] == ["paid", "paid"]
    assert {payment["status"] for payment in payments_of(service, ada)} == {"granted"}
    earlier, later = sorted(entitlements_of(service, ada), key=lambda entitlement: str(entitlement["starts_at"]))
    assert later["starts_at"] == earlier["expires_at"]
    assert [earlier["active"], later["active"]] == [True, False]
    ends = [datetime.fromisoformat(e["expires_at"]) - datetime.fromisoformat(e["starts_at"]) for e in (earlier, later)]
    assert ends == [DAY, DAY]
    assert feature(service, ada, "signals")["expires_at"] == later["expires_at"]
    assert "now until" in told(telegram, ada, "The new time begins")


@pytest.mark.criterion("5.5")
def test_a_second_payment_for_life_is_kept_apart_and_doubles_nothing(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    first, second = (invoice_for(service, ada, "founder") for _ in range(2))
    pay(telegram, ada, first)
    assert pay(telegram, ada, second).status == "refused"
    pay(telegram, ada, second, skip_pre_checkout=True)

    newest, oldest = payments_of(service, ada)
    assert oldest["status"] == "granted"
    assert newest["status"] in {"quarantined", "refund_pending", "refunded"}
    assert len(entitlements_of(service, ada)) == 1


@pytest.mark.criterion("5.5")
def test_a_refund_shuts_the_door_once_however_often_it_is_told(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    bought = buy(service, telegram, ada)
    update_id = telegram.refund(bought.charge_id)
    settled(telegram)
    assert update_id is not None
    telegram.redeliver(update_id, times=3, concurrent=True)
    telegram.redeliver(bought.update_id, times=3, concurrent=True)

    assert not service.allowed(ada, "signals")
    entitlement = only(entitlements_of(service, ada))
    assert (entitlement["active"], entitlement["revoked_at"] is None) == (False, False)
    payment = only(payments_of(service, ada))
    assert (payment["status"], payment["refunded_at"] is None) == ("refunded", False)
    assert "We returned" in told(telegram, ada, "The access that it paid for has ended")


@pytest.mark.criterion("5.6")
def test_the_user_sees_all_of_it_under_their_own_token(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    buy(service, telegram, ada)
    with service.as_user(ada) as client:
        answer = client.get("/api/v1/me/entitlements").json()

    entitlement = only(answer.pop("entitlements"))
    assert answer == {"user_id": ada}
    assert entitlement.pop("entitlement_id").startswith("ent_")
    times = {name: entitlement.pop(name) for name in ("granted_at", "starts_at", "expires_at")}
    assert all(text.endswith("Z") for text in times.values())
    assert entitlement == {
        "plan_code": "gold_1m",
        "features": ["signals", "copy_trading"],
        "limits": {"max_devices": 3},
        "active": True,
        "revoked_at": None,
        "source": "payment",
    }


@pytest.mark.criterion("5.7")
def test_a_mini_app_sees_it_with_its_init_data_and_can_buy_with_it(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram, "Zoë", username="zoe", is_premium=True)
    with as_mini_app(service, telegram.init_data(ada, start_param="buy_gold_1m")) as app:
        assert app.get("/api/v1/me/entitlements").json() == {"user_id": ada, "entitlements": []}
        sent = app.post(SEND_INVOICE, json={"plan_code": "gold_1m"})
        assert sent.status_code == 200
        pay(telegram, ada, sent.json())

        assert only(app.get("/api/v1/me/entitlements").json()["entitlements"])["active"] is True
        assert only(app.get("/api/v1/me/payments").json()["items"])["status"] == "granted"


@pytest.mark.criterion("5.7")
def test_init_data_is_good_for_a_day_and_no_longer(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    now = int(time.time())
    answers = {}
    for age in (A_DAY_IN_S - 30, A_DAY_IN_S + 1, -3600):
        with as_mini_app(service, telegram.init_data(ada, auth_date=now - age)) as app:
            answers[age] = app.get("/api/v1/me/entitlements").status_code

    assert answers == {A_DAY_IN_S - 30: 200, A_DAY_IN_S + 1: 401, -3600: 401}


@pytest.mark.criterion("5.7")
def test_init_data_with_anything_changed_or_of_another_bot_is_nobodys(
    service: Service, telegram: SandboxServer
) -> None:
    ada, bob = newcomer(telegram), newcomer(telegram, "Bob")
    good = telegram.init_data(ada)
    telegram.call("getMe", token="7000002:BBE-sandbox-token-of-another-bot-0000")
    forged = {
        "another user": good.replace(str(ada), str(bob)),
        "a field more": good + "&start_param=x",
        "a field twice": good + f"&auth_date={int(time.time())}",
        "another hash": good.partition("hash=")[0] + "hash=" + "0" * 64,
        "no hash": "&".join(part for part in good.split("&") if not part.startswith("hash=")),
        "another bot": telegram.init_data(ada, bot=7000002),
        "nonsense": "hash",
    }
    answers = {}
    for what, init_data in forged.items():
        with as_mini_app(service, init_data) as app:
            answers[what] = app.get("/api/v1/me/entitlements").status_code

    assert answers == dict.fromkeys(forged, 401)


@pytest.mark.criterion("5.7")
def test_init_data_is_no_services_key(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    with as_mini_app(service, telegram.init_data(ada)) as app:
        assert app.get(f"/internal/v1/users/{ada}/entitlements").status_code == 401
