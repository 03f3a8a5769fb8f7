"""Money is given back once, whatever gets lost on the way, and access ends when the provider has confirmed."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.integration.buying import (
    Bought,
    buy,
    entitlements_of,
    invoice_for,
    newcomer,
    payments_of,
    rows,
    settled,
    told,
    update_of,
)
from tests.integration.conftest import set_webhooks
from tests.integration.sandbox_server import Json, SandboxServer
from tests.integration.service import Service, eventually, only
from tests.integration.stripe_buying import buy_by_stripe, money_of, stripe_does, stripe_settings

PAYMENTS = "/internal/v1/payments"
LOST = ("api_lose_replies", "api_resets", "api_5xx")


@pytest.fixture(scope="module")
def desk(telegram: SandboxServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service on SQLite, paid by Stars, by a payment provider, and by Stripe."""
    folder: Path = tmp_path_factory.mktemp("desk")
    with Service(folder, telegram.url, stripe_settings(telegram.stripe)) as running:
        set_webhooks(telegram, running)
        yield running


@pytest.fixture(autouse=True)
def _fair_weather(telegram: SandboxServer) -> Iterator[None]:
    yield
    telegram.faults()
    telegram.stripe.faults()


def payment_of(service: Service, **wanted: Any) -> Json:
    with service.as_service("payments:read") as client:
        found = client.get(PAYMENTS, params=wanted).raise_for_status().json()["items"]
        return dict(only(found))


def decide(service: Service, payment_id: str, act: str, **body: Any) -> tuple[int, Json]:
    with service.as_service("payments:refund") as client:
        answer = client.post(f"{PAYMENTS}/{payment_id}/{act}", json={"reason": "asked for it", **body})
        return answer.status_code, answer.json()


def refunded(service: Service, user_id: int) -> bool:
    return [payment["status"] for payment in payments_of(service, user_id)] == ["refunded"]


def returns(telegram: SandboxServer, charge_id: str) -> int:
    """How often Telegram's own ledger says that it went back."""
    return sum(line["id"] == charge_id and "receiver" in line for line in telegram.transactions())


def bought(service: Service, telegram: SandboxServer) -> tuple[int, Bought]:
    ada = newcomer(telegram)
    return ada, buy(service, telegram, ada)


def test_stars_go_back_and_access_ends_once_telegram_has_confirmed(desk: Service, telegram: SandboxServer) -> None:
    ada, paid = bought(desk, telegram)
    payment = payment_of(desk, charge_id=paid.charge_id)
    telegram.faults(api_delay_s=1.0, api_methods=["refundStarPayment"])

    status, answer = decide(desk, payment["payment_id"], "refund")

    assert (status, answer["status"]) == (202, "refund_pending")
    assert desk.allowed(ada, "signals")
    eventually(lambda: refunded(desk, ada))
    assert not desk.allowed(ada, "signals")
    told(telegram, ada, "We returned")
    assert returns(telegram, paid.charge_id) == 1


@pytest.mark.threat(27)
@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("times", [1, 3])
def test_stars_go_back_once_whatever_gets_lost(desk: Service, telegram: SandboxServer, fault: str, times: int) -> None:
    ada, paid = bought(desk, telegram)
    faults: dict[str, Any] = {fault: times, "api_methods": ["refundStarPayment", "getStarTransactions"]}
    telegram.faults(**faults)

    status, _ = decide(desk, payment_of(desk, charge_id=paid.charge_id)["payment_id"], "refund")

    assert status == 202
    eventually(lambda: refunded(desk, ada), within_s=120)
    settled(telegram)
    assert returns(telegram, paid.charge_id) == 1
    asked = [call for call in telegram.calls("refundStarPayment") if paid.charge_id in str(call)]
    assert sum(call["status"] == 200 for call in asked) <= 1


@pytest.mark.threat(27)
@pytest.mark.parametrize("faults", [{}, {"api_lose_replies": 2}, {"api_5xx": 2}, {"api_429": 1}], ids=str)
def test_a_card_is_paid_back_once_whatever_gets_lost(desk: Service, telegram: SandboxServer, faults: Json) -> None:
    ada = newcomer(telegram)
    paid = buy_by_stripe(desk, telegram, ada)
    with stripe_does(telegram, **faults):
        status, _ = decide(desk, payment_of(desk, charge_id=paid.payment_intent)["payment_id"], "refund")
        assert status == 202
        eventually(lambda: refunded(desk, ada), within_s=120)
    settled(telegram)
    money = money_of(telegram, paid.payment_intent)
    assert money["amount_refunded"] == money["amount"]
    assert not desk.allowed(ada, "signals")


@pytest.mark.threat(39)
def test_ten_clicks_at_once_are_one_refund(desk: Service, telegram: SandboxServer) -> None:
    ada, paid = bought(desk, telegram)
    payment = payment_of(desk, charge_id=paid.charge_id)
    with ThreadPoolExecutor(10) as hands:
        answers = list(hands.map(lambda _: decide(desk, payment["payment_id"], "refund")[0], range(10)))

    assert set(answers) <= {202, 409}
    eventually(lambda: refunded(desk, ada))
    assert returns(telegram, paid.charge_id) == 1
    assert decide(desk, payment["payment_id"], "refund")[0] == 409


@pytest.mark.threat(39)
def test_ten_clicks_at_once_grant_once(desk: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    sent = invoice_for(desk, ada)
    telegram.pay(ada, sent["telegram_message_id"], amount=1, forge_at="payment")
    settled(telegram)
    held = payment_of(desk, user_id=ada, status="quarantined")
    with ThreadPoolExecutor(10) as hands:
        answers = list(hands.map(lambda _: decide(desk, held["payment_id"], "resolve", action="grant")[0], range(10)))

    assert sorted(answers) == [200] + [409] * 9
    assert len(entitlements_of(desk, ada)) == 1
    assert desk.allowed(ada, "signals")


@pytest.mark.parametrize("body", [{"action": "grant", "plan_code": "day_pass"}, {"action": "refund"}], ids=str)
def test_quarantine_is_resolved_over_the_api_and_the_trail_says_by_whom(
    desk: Service, telegram: SandboxServer, body: Json
) -> None:
    ada = newcomer(telegram)
    sent = invoice_for(desk, ada)
    telegram.pay(ada, sent["telegram_message_id"], amount=1, forge_at="payment")
    settled(telegram)
    held = payment_of(desk, user_id=ada, status="quarantined")
    assert held["quarantine_reason"] == "amount_mismatch"

    status, answer = decide(desk, held["payment_id"], "resolve", **body)

    assert status == 200, answer
    with desk.as_service("payments:read") as client:
        events = client.get("/internal/v1/payment-events", params={"charge_id": held["charge_id"]}).json()["items"]
    assert {(event["actor"], event["note"]) for event in events} >= {("some-service", "asked for it")}
    if body["action"] == "grant":
        assert (answer["status"], answer["plan_code"]) == ("granted", "day_pass")
        assert only(entitlements_of(desk, ada))["entitlement_id"] == answer["entitlement_id"]
    else:
        eventually(lambda: refunded(desk, ada))


def test_what_a_payment_provider_took_goes_back_there_and_is_recorded_here(
    desk: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    paid = buy(desk, telegram, ada, method="telegram")
    payment = payment_of(desk, charge_id=paid.charge_id)

    status, problem = decide(desk, payment["payment_id"], "refund")
    assert (status, problem["code"]) == (409, "conflict")
    assert "at the provider" in problem["detail"]
    assert desk.allowed(ada, "signals")

    assert decide(desk, payment["payment_id"], "refund", outside=True)[0] == 202
    assert refunded(desk, ada)
    assert not desk.allowed(ada, "signals")


def test_one_payment_is_shown_with_the_providers_whole_message(desk: Service, telegram: SandboxServer) -> None:
    _, paid = bought(desk, telegram)
    listed = payment_of(desk, charge_id=paid.charge_id)
    with desk.as_service("payments:read") as client:
        shown = client.get(f"{PAYMENTS}/{listed['payment_id']}").raise_for_status().json()
        missing = client.get(f"{PAYMENTS}/pay_none")

    assert shown.pop("provider_response") == update_of(telegram, paid.update_id)
    assert shown == listed
    assert missing.status_code == 404


def test_payments_are_filtered_and_paged(desk: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    for _ in range(3):
        buy(desk, telegram, ada, "day_pass")
    with desk.as_service("payments:read") as client:
        first = client.get(PAYMENTS, params={"user_id": ada, "limit": 2}).json()
        second = client.get(PAYMENTS, params={"user_id": ada, "limit": 2, "cursor": first["next_cursor"]}).json()
        none = client.get(PAYMENTS, params={"user_id": ada, "until": "2020-01-01T00:00:00Z"}).json()
        wrong = [
            client.get(PAYMENTS, params={name: value}).status_code
            for name, value in {"status": "lost", "method": "cash", "since": "soon", "user_id": "x"}.items()
        ]

    assert len({payment["payment_id"] for payment in first["items"] + second["items"]}) == 3
    assert second["next_cursor"] is None
    assert none["items"] == []
    assert wrong == [400] * 4


# At the terminal ------------------------------------------------------------------------------------------------------


def test_a_charge_is_given_back_at_the_terminal(desk: Service, telegram: SandboxServer) -> None:
    ada, paid = bought(desk, telegram)

    ran = desk.run("refund", paid.charge_id, "--reason", "asked for it", "--by", "olga", check=False)

    assert (ran.returncode, ran.stderr) == (0, ""), ran
    assert "Given back: 1,250 ⭐" in ran.stdout
    assert refunded(desk, ada)
    again = desk.run("refund", paid.charge_id, "--reason", "again", check=False)
    assert again.returncode == 1
    what, remedy = again.stderr.splitlines()
    assert "given back already" in what
    assert remedy.startswith("Nothing was changed. How it stands: tollgram payments --charge pay_")
    unknown = desk.run("refund", "nobody's", "--reason", "x", check=False)
    assert unknown.stderr.startswith('There is no payment "nobody\'s".\n')


def test_the_terminal_takes_any_id_that_one_payment_bears(desk: Service, telegram: SandboxServer) -> None:
    ada, bob, eve = (newcomer(telegram) for _ in range(3))
    by_stripe = payment_of(desk, charge_id=buy_by_stripe(desk, telegram, ada).payment_intent)
    assert by_stripe["provider_charge_id"].startswith("ch_")
    by_stars = payment_of(desk, charge_id=buy(desk, telegram, bob).charge_id)
    telegram.pay(eve, invoice_for(desk, eve)["telegram_message_id"], amount=7, forge_at="payment")
    settled(telegram)
    held = payment_of(desk, user_id=eve)

    assert "Given back: 7 ⭐" in desk.run("quarantine", "refund", held["charge_id"], "--reason", "a mistake").stdout
    assert "Given back: 1,250 ⭐" in desk.run("refund", by_stars["payment_id"]).stdout
    assert "Given back: £25.00" in desk.run("refund", f" {by_stripe['provider_charge_id']} ").stdout
    assert json.loads(desk.run("user", by_stripe["provider_charge_id"], "--json").stdout)["user_id"] == ada
    assert all(refunded(desk, user) for user in (ada, bob, eve))


@pytest.mark.parametrize(
    ("named", "remedy"),
    [
        pytest.param("ch_nobody_s", "try the pi_… beside it", id="a second id of Stripe's"),
        pytest.param("pay_nobody_s", "tollgram payments.", id="an id of ours"),
        pytest.param("inv_nobody_s", "tollgram payments --charge inv_nobody_s", id="an invoice"),
        pytest.param("1001", "tollgram payments --user ID --json", id="a user"),
        pytest.param(" ", "telegram_payment_charge_id", id="nothing"),
    ],
)
@pytest.mark.parametrize("command", [["refund"], ["quarantine", "grant"], ["quarantine", "refund"]], ids=" ".join)
def test_an_id_that_no_payment_bears_is_told_with_what_to_do(
    desk: Service, command: list[str], named: str, remedy: str
) -> None:
    ran = desk.run(*command, named, "--reason", "x", check=False)
    assert (ran.returncode, ran.stdout) == (1, "")
    what, told = ran.stderr.splitlines()
    assert what == f"There is no payment {named.strip()!r}."
    assert remedy in told


def test_an_id_that_two_payments_bear_gives_nothing_back(desk: Service, telegram: SandboxServer) -> None:
    users = [newcomer(telegram) for _ in range(2)]
    for user in users:
        buy(desk, telegram, user)
    rows(desk, "UPDATE payments SET provider_charge_id = 'theirs-twice' WHERE user_id IN (?, ?)", *users)
    ids = [payment_of(desk, user_id=user)["payment_id"] for user in users]

    ran = desk.run("refund", "theirs-twice", check=False)

    what, remedy = ran.stderr.splitlines()
    assert (ran.returncode, what) == (1, "2 payments have a charge of the id 'theirs-twice'; nothing was changed.")
    assert all(id in remedy for id in ids)
    assert [payments_of(desk, user)[0]["status"] for user in users] == ["granted", "granted"]


def test_quarantine_is_listed_and_resolved_at_the_terminal(desk: Service, telegram: SandboxServer) -> None:
    users = [newcomer(telegram) for _ in range(2)]
    for user in users:
        sent = invoice_for(desk, user)
        telegram.pay(user, sent["telegram_message_id"], amount=7, forge_at="payment")
    settled(telegram)
    ids = {user: payment_of(desk, user_id=user)["payment_id"] for user in users}

    listed = desk.run("quarantine", "list").stdout
    assert all(id in listed for id in ids.values())
    assert "amount_mismatch" in listed
    assert str(ids[users[0]]) in desk.run("quarantine", "list", "--json").stdout

    granted = desk.run("quarantine", "grant", ids[users[0]], "--reason", "fine")
    assert "Granted: gold_1m" in granted.stdout
    assert desk.allowed(users[0], "signals")
    back = desk.run("quarantine", "refund", ids[users[1]], "--reason", "a mistake")
    assert "Given back: 7 ⭐" in back.stdout
    assert refunded(desk, users[1])


def test_a_program_at_the_terminal_reads_what_became_of_a_payment(desk: Service, telegram: SandboxServer) -> None:
    users = [newcomer(telegram) for _ in range(2)]
    for user in users:
        telegram.pay(user, invoice_for(desk, user)["telegram_message_id"], amount=7, forge_at="payment")
    settled(telegram)
    granted_id, returned_id = (payment_of(desk, user_id=user)["payment_id"] for user in users)
    _, paid = bought(desk, telegram)
    assert paid.charge_id

    def told(*command: str) -> Any:
        return json.loads(desk.run(*command, "--reason", "a test", "--json").stdout)

    granted, returned = told("quarantine", "grant", granted_id), told("quarantine", "refund", returned_id)
    refund = told("refund", paid.charge_id)

    assert [answer["status"] for answer in (granted, returned, refund)] == ["granted", "refunded", "refunded"]
    assert granted == payment_of(desk, user_id=users[0])
    assert returned == payment_of(desk, user_id=users[1])
    assert refund == payment_of(desk, charge_id=paid.charge_id)


def test_what_can_not_be_decided_names_the_command_that_helps(desk: Service, telegram: SandboxServer) -> None:
    _, paid = bought(desk, telegram)
    payment_id = payment_of(desk, charge_id=paid.charge_id)["payment_id"]
    sent = invoice_for(desk, user := newcomer(telegram))
    telegram.pay(user, sent["telegram_message_id"], amount=7, forge_at="payment")
    settled(telegram)
    waiting = payment_of(desk, user_id=user)["payment_id"]

    def told(*command: str) -> list[str]:
        ran = desk.run(*command, "--reason", "x", check=False)
        assert (ran.returncode, ran.stdout) == (1, "")
        return ran.stderr.splitlines()

    assert told("quarantine", "grant", "pay_none") == [
        "There is no payment 'pay_none'.",
        "To see what there is: tollgram payments. What waits for a person: tollgram quarantine",
    ]
    assert told("quarantine", "refund", payment_id) == [
        "This payment is not in quarantine; it is granted.",
        f"Nothing was changed. How it stands: tollgram payments --charge {payment_id}",
    ]
    assert told("quarantine", "grant", waiting, "--plan", "platinum") == [
        "There is no plan 'platinum'.",
        "To see which plans there are, run: tollgram catalog check",
    ]


def test_an_empty_quarantine_says_so(telegram: SandboxServer, tmp_path: Path) -> None:
    with Service(tmp_path, telegram.url, {"RECONCILE_EVERY_SECONDS": "0"}) as fresh:
        assert fresh.run("quarantine", "list").stdout == (
            "Nothing is in quarantine: every payment was granted or given back.\n"
        )
        assert rows(fresh, "SELECT count(*) AS n FROM payments") == [{"n": 0}]
