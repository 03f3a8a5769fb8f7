"""What other services ask and decide about access, over real HTTP and at the terminal."""

import csv
import json
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import httpx
import pytest

from domain.ids import MAX_USER_ID
from entrypoints.http.exports import EXPORT_PAGE
from tests.integration.buying import buy, entitlements_of, newcomer, rows, told
from tests.integration.sandbox_server import Json, SandboxServer
from tests.integration.service import Service, only
from tests.integration.test_cli_commands import here
from tests.integration.test_threat_forged_updates import payment

CHECK = "/internal/v1/features/check"
PAYMENTS, EVENTS = "/internal/v1/payments", "/internal/v1/payment-events"
EVERYTHING = ("entitlements:read", "entitlements:write", "payments:read", "payments:refund")
FORMULA = "=cmd|'/C'!A0"


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[httpx.Client]:
    with service.as_service(*EVERYTHING) as opened:
        yield opened


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def feature(client: httpx.Client, user_id: int, **query: Any) -> Json:
    answer = client.get(f"/internal/v1/users/{user_id}/features/signals", params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def given(client: httpx.Client, user_id: int, key: str | None = None, **body: Any) -> httpx.Response:
    headers = {"Idempotency-Key": key} if key else {}
    wanted = {"plan_code": "gold_1m", "reason": "a gift", **body}
    return client.post(f"/internal/v1/users/{user_id}/entitlements", json=wanted, headers=headers)


def ended(client: httpx.Client, entitlement_id: str) -> httpx.Response:
    return client.post(f"/internal/v1/entitlements/{entitlement_id}/revoke", json={"reason": "a mistake"})


def trail(client: httpx.Client, **wanted: Any) -> list[Json]:
    return list(client.get(EVENTS, params=wanted).raise_for_status().json()["items"])


# Asking ---------------------------------------------------------------------------------------------------------------


def test_what_was_true_then_stays_true_and_is_explained_by_its_payment(
    service: Service, telegram: SandboxServer, client: httpx.Client
) -> None:
    ada = newcomer(telegram)
    before = datetime.now(UTC)
    bought = buy(service, telegram, ada)
    then = datetime.now(UTC)
    answered = feature(client, ada, explain="true")
    telegram.refund(bought.charge_id)
    telegram.wait_idle()

    assert not feature(client, ada)["allowed"]
    assert feature(client, ada, explain="true")["because"] == []
    assert not feature(client, ada, as_of=before.isoformat())["allowed"]
    assert feature(client, ada, as_of=then.isoformat(), explain="true") == answered
    reason = only(answered["because"])
    assert (reason["active"], reason["source"], reason["granted_by"]) == (True, "payment", None)
    assert reason["payment"] | {"payment_id": "", "paid_at": ""} == {
        "payment_id": "",
        "invoice_id": bought.invoice["invoice_id"],
        "plan_code": "gold_1m",
        "method": "stars",
        "charge_id": bought.charge_id,
        "amount": 1250,
        "currency": "XTR",
        "status": "granted",
        "paid_at": "",
        "refunded_at": None,
        "user_id": ada,
    }
    listed = client.get(f"/internal/v1/users/{ada}/entitlements", params={"as_of": then.isoformat()}).json()
    assert (only(listed["entitlements"])["active"], only(listed["entitlements"])["revoked_at"]) == (True, None)


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ({"as_of": "yesterday"}, "as_of"),
        ({"as_of": ""}, "as_of"),
        ({"as_of": "2026-11-22T12:00:00"}, "as_of"),
        ({"as_of": "2026-02-30T12:00:00Z"}, "as_of"),
        ({"as_of": "0001-01-01T00:00:00+23:00"}, "as_of"),
        ({"explain": "yes"}, "explain"),
    ],
    ids=str,
)
def test_a_wrong_question_is_refused_by_its_place(client: httpx.Client, query: Json, place: str) -> None:
    answer = client.get("/internal/v1/users/4711/features/signals", params=query)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert answer.json()["detail"].startswith(place)


def test_a_thousand_questions_are_answered_in_their_order(
    service: Service, telegram: SandboxServer, client: httpx.Client
) -> None:
    ada = newcomer(telegram)
    given(client, ada).raise_for_status()
    checks = [{"user_id": ada + n % 3, "feature": ("signals", "💎" * 64, "letters")[n % 7 % 3]} for n in range(1000)]

    answer = client.post(CHECK, json={"checks": checks})

    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]
    assert [{"user_id": one["user_id"], "feature": one["feature"]} for one in results] == checks
    allowed = [one["allowed"] for one in results]
    assert allowed == [check == {"user_id": ada, "feature": "signals"} for check in checks]
    assert any(allowed)
    assert results[0] == feature(client, ada)
    assert client.post(CHECK, json={"checks": []}).json() == {"results": []}


@pytest.mark.threat(13, 16)
@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({}, "/checks"),
        ({"checks": {}}, "/checks"),
        ({"checks": [{"user_id": 1, "feature": "a"}] * 1001}, "/checks"),
        ({"checks": [{"user_id": 1, "feature": "a"}, {"user_id": "1", "feature": "a"}]}, "/checks/1/user_id"),
        ({"checks": [{"user_id": True, "feature": "a"}]}, "/checks/0/user_id"),
        ({"checks": [{"user_id": 0, "feature": "a"}]}, "/checks/0/user_id"),
        ({"checks": [{"user_id": MAX_USER_ID + 1, "feature": "a"}]}, "/checks/0/user_id"),
        ({"checks": [{"user_id": 1}]}, "/checks/0"),
        ({"checks": [{"user_id": 1, "feature": ""}]}, "/checks/0/feature"),
        ({"checks": [{"user_id": 1, "feature": "a" * 65}]}, "/checks/0/feature"),
        ({"checks": [{"user_id": 1, "feature": "a", "as_of": 1}]}, "/checks/0"),
        ({"checks": [{"user_id": 1, "feature": "\ud800"}]}, "/checks"),
        ({"checks": [], "more": 1}, "/more"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_wrong_questions_are_refused_by_their_place(client: httpx.Client, body: Json, place: str) -> None:
    answer = client.post(CHECK, content=json.dumps(body), headers={"Content-Type": "application/json"})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert only(answer.json()["errors"])["pointer"] == place


# Deciding -------------------------------------------------------------------------------------------------------------


def test_what_is_given_opens_at_once_extends_and_is_told_with_who_and_why(
    service: Service, telegram: SandboxServer, client: httpx.Client
) -> None:
    ada = newcomer(telegram)

    first, second = given(client, ada), given(client, ada, duration="2 days")

    assert (first.status_code, second.status_code) == (201, 201)
    one, two = first.json(), second.json()
    assert service.allowed(ada, "copy_trading")
    assert (one["active"], one["source"], one["granted_by"], one["reason"], one["user_id"]) == (
        True, "operator", "some-service", "a gift", ada,
    )  # fmt: skip
    assert (two["active"], two["starts_at"]) == (False, one["expires_at"])
    assert at(two["expires_at"]) - at(two["starts_at"]) == timedelta(days=2)
    assert feature(client, ada)["expires_at"] == two["expires_at"]
    because = feature(client, ada, explain="true")["because"]
    assert [(reason["payment"], reason["granted_by"], reason["reason"]) for reason in because] == [
        (None, "some-service", "a gift")
    ] * 2
    assert [(event["kind"], event["decision"], event["entitlement_id"]) for event in trail(client, user_id=ada)] == [
        ("entitlement_granted", "extended", two["entitlement_id"]),
        ("entitlement_granted", "granted", one["entitlement_id"]),
    ]
    mine = entitlements_of(service, ada)
    assert [right["source"] for right in mine] == ["operator"] * 2
    assert "some-service" not in str(mine), "a user is not told who works for the operator"
    told(telegram, ada, "You have been given more time")
    assert [line["actor"] for line in service.log_lines("entitlement.granted") if line["user_id"] == ada] == [
        "some-service"
    ]
    assert [line["plan_code"] for line in service.log_lines("entitlement.extended") if line["user_id"] == ada] == [
        "gold_1m"
    ]


@pytest.mark.threat(39)
def test_one_key_gives_once_also_when_many_come_at_once_and_after_a_crash(
    service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)

    def ask(_: int) -> tuple[int, str]:
        with service.as_service("entitlements:write") as own:
            answer = given(own, ada, "gift-1")
            return answer.status_code, answer.text

    with ThreadPoolExecutor(8) as hands:
        answers = set(hands.map(ask, range(8)))
    service.kill()
    service.start()

    assert {ask(0)} == answers
    assert only([*answers])[0] == 201
    assert len(entitlements_of(service, ada)) == 1
    with service.as_service("entitlements:write") as own:
        for different in ({"duration": "1 month"}, {"reason": "another"}, {"plan_code": "day_pass"}):
            answer = given(own, ada, "gift-1", **different)
            assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_mismatch")
        elsewhere = given(own, ada + 1, "gift-1")
        assert (elsewhere.status_code, elsewhere.json()["code"]) == (422, "idempotency_mismatch")
    assert len(entitlements_of(service, ada)) == 1


def test_what_is_ended_shuts_at_once_and_only_once(
    service: Service, telegram: SandboxServer, client: httpx.Client
) -> None:
    ada = newcomer(telegram)
    gift = given(client, ada).json()
    bought = buy(service, telegram, ada, "day_pass")

    first, again = ended(client, gift["entitlement_id"]), ended(client, gift["entitlement_id"])

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert first.json()["revoked_at"]
    assert not service.allowed(ada, "copy_trading")
    assert service.allowed(ada, "signals"), "the day pass stays"
    assert len([event for event in trail(client, user_id=ada) if event["kind"] == "entitlement_revoked"]) == 1
    told(telegram, ada, "was ended")
    paid = next(right for right in entitlements_of(service, ada) if right["source"] == "payment")
    assert ended(client, paid["entitlement_id"]).json()["active"] is False
    payment_left = only(client.get(PAYMENTS, params={"charge_id": bought.charge_id}).json()["items"])
    assert payment_left["status"] == "granted"
    assert trail(client, charge_id=bought.charge_id)[0]["kind"] == "entitlement_revoked"


def test_ending_is_harmless_however_often_and_whenever_it_is_asked_for_again(
    service: Service, telegram: SandboxServer, client: httpx.Client
) -> None:
    ada = newcomer(telegram)
    first = given(client, ada).json()["entitlement_id"]
    with ThreadPoolExecutor(8) as callers:
        answers = list(callers.map(lambda _: ended(client, first), range(16)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    told(telegram, ada, "was ended")

    second = given(client, ada).json()["entitlement_id"]
    with_a_key = client.post(
        f"/internal/v1/entitlements/{first}/revoke", json={"reason": "another"}, headers={"Idempotency-Key": "k"}
    )

    assert with_a_key.text == answers[0].text
    assert service.allowed(ada, "copy_trading"), "what was given since stays"
    assert [(right["entitlement_id"], right["active"]) for right in entitlements_of(service, ada)] == [
        (second, True),
        (first, False),
    ]
    [line] = [event for event in trail(client, user_id=ada) if event["kind"] == "entitlement_revoked"]
    assert line["note"] == "a mistake", "the first reason stands"
    assert len(rows(service, "SELECT 1 FROM outbox WHERE chat_id = ? AND kind = 'AccessWithdrawn'", ada)) == 1


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"plan_code": "platinum"}, 422, "unknown_plan"),
        ({"plan_code": "Gold!"}, 400, "invalid_request"),
        ({"reason": ""}, 400, "invalid_request"),
        ({"reason": "x" * 501}, 400, "invalid_request"),
        ({"reason": "\ud800"}, 400, "invalid_request"),
        ({"reason": None}, 400, "invalid_request"),
        ({"duration": "0 days"}, 400, "invalid_request"),
        ({"duration": "1 days"}, 400, "invalid_request"),
        ({"duration": "1001 days"}, 400, "invalid_request"),
        ({"duration": "5 seconds"}, 400, "invalid_request"),
        ({"duration": "-1 days"}, 400, "invalid_request"),
        ({"duration": 7}, 400, "invalid_request"),
        ({"amount": 1}, 400, "invalid_request"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_gift_that_can_not_be_is_refused(client: httpx.Client, body: Json, status: int, code: str) -> None:
    wanted = json.dumps({"plan_code": "gold_1m", "reason": "a gift", **body})
    answer = client.post(
        "/internal/v1/users/4712/entitlements", content=wanted, headers={"Content-Type": "application/json"}
    )

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    if status == 400:
        assert only(answer.json()["errors"])["pointer"] == f"/{only([*body])}"


def test_nothing_follows_a_lifetime_and_nobody_ends_what_is_not_there(client: httpx.Client) -> None:
    given(client, 4713, plan_code="founder").raise_for_status()
    again = given(client, 4713, plan_code="founder")
    wrong_key = client.post(
        "/internal/v1/users/4713/entitlements",
        json={"plan_code": "gold_1m", "reason": "x"},
        headers={b"Idempotency-Key": "ä b".encode()},
    )

    assert (again.status_code, again.json()["code"]) == (409, "already_entitled")
    assert wrong_key.status_code == 400
    assert [ended(client, id).status_code for id in ("ent_none", "x" * 90, "%27")] == [404] * 3


def test_a_grant_is_given_and_ended_at_the_terminal(
    service: Service, telegram: SandboxServer, client: httpx.Client
) -> None:
    ada = newcomer(telegram)

    granted = service.run("grant", str(ada), "gold_1m", "--reason", "a gift", "--by", "olga", "--duration", "2 weeks")

    assert granted.stdout.startswith(f"Granted: gold_1m for user {ada}, from ")
    id = granted.stdout.rpartition(" ")[2].strip().rstrip(".")
    assert service.allowed(ada, "copy_trading")
    given(client, ada, reason="more").raise_for_status()
    revoked = service.run("revoke", id, "--reason", "a mistake")
    assert revoked.stdout.startswith(f"Ended: gold_1m of user {ada}, at ")
    assert f"They still hold gold_1m for user {ada}" in revoked.stdout
    assert service.allowed(ada, "copy_trading"), "the later time has moved up"
    kept = rows(service, "SELECT kind, actor, note FROM telegram_payment_events WHERE user_id = ? ORDER BY id", ada)
    assert [(row["kind"], row["note"]) for row in kept] == [
        ("entitlement_granted", "a gift"),
        ("entitlement_granted", "more"),
        ("entitlement_revoked", "a mistake"),
    ]
    assert kept[0]["actor"] == "olga"


def test_a_program_at_the_terminal_is_answered_as_over_the_api(
    service: Service, telegram: SandboxServer, client: httpx.Client
) -> None:
    ada = newcomer(telegram)

    granted = json.loads(service.run("grant", str(ada), "gold_1m", "--reason", "a gift", "--json").stdout)
    (listed,) = client.get(f"/internal/v1/users/{ada}/entitlements").json()["entitlements"]
    ended = json.loads(service.run("revoke", granted["entitlement_id"], "--reason", "a mistake", "--json").stdout)

    assert granted == {**listed, "user_id": ada, "granted_by": granted["granted_by"], "reason": "a gift"}
    assert (granted["active"], ended["active"]) == (True, False)
    assert ended["entitlement_id"] == granted["entitlement_id"]
    assert ended["revoked_at"]


def test_what_can_not_be_decided_is_told_at_the_terminal(service: Service) -> None:
    nothing = service.run("revoke", "ent_none", "--reason", "x", check=False)
    wrong = here(service, "grant", "4714", "gold_1m", "--reason", "x", "--duration", "a while")

    assert (nothing.returncode, nothing.stdout) == (1, "")
    assert nothing.stderr.splitlines() == [
        "There is no such entitlement.",
        "Its id begins with ent_; tollgram user ID shows those of a user.",
    ]
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("--duration: 'a while' is not")


# Nobody else's --------------------------------------------------------------------------------------------------------


@pytest.mark.threat(22)
def test_what_is_asked_about_one_user_tells_nothing_of_another(
    service: Service, telegram: SandboxServer, client: httpx.Client
) -> None:
    ada, bob = newcomer(telegram), newcomer(telegram, "Bob")
    bought = [buy(service, telegram, ada, plan) for plan in ("gold_1m", "day_pass")]
    gift = given(client, ada, reason="known to nobody else").json()
    cursor = client.get(PAYMENTS, params={"user_id": ada, "limit": 1}).json()["next_cursor"]
    assert cursor
    secrets = [str(ada), gift["entitlement_id"], *(one.charge_id for one in bought), "known to nobody else"]
    of_bob = {"user_id": bob}
    answers = [
        client.get(f"/internal/v1/users/{bob}/entitlements", params={"user_id": ada}),
        client.get(f"/internal/v1/users/{bob}/features/signals", params={"explain": "true", "user_id": ada}),
        client.post(CHECK, json={"checks": [{"user_id": bob, "feature": "signals"}]}),
        client.get(PAYMENTS, params={**of_bob, "cursor": cursor}),
        client.get(EVENTS, params=of_bob),
        *(client.get(f"{path}/export", params={**of_bob, "format": form}) for path in (PAYMENTS, EVENTS)
          for form in ("csv", "jsonl")),
    ]  # fmt: skip
    for answer in answers:
        assert answer.status_code == 200, answer.text
        assert not [secret for secret in secrets if secret in answer.text], answer.url
    with service.as_user(bob) as own:
        for path in (f"/internal/v1/users/{ada}/entitlements", f"{PAYMENTS}/export", f"{EVENTS}/export"):
            assert own.get(path).status_code == 403
        assert own.post(f"/internal/v1/users/{bob}/entitlements", json={}).status_code == 403
        assert own.post(f"/internal/v1/entitlements/{gift['entitlement_id']}/revoke", json={}).status_code == 403


# Files ----------------------------------------------------------------------------------------------------------------


def many_payments(service: Service, user_id: int, number: int) -> None:
    """As if so many had been paid and held, all at the same moment."""
    with closing(sqlite3.connect(service.folder / "tollgram.db", timeout=5)) as database, database:
        database.executemany(
            "INSERT INTO payments (id, provider, charge_id, provider_charge_id, bot, user_id, amount, currency, method,"
            " payload, charged_at, message, status, received_at) VALUES (?, 'telegram', ?, '', 'main', ?, 1, 'XTR',"
            " 'stars', '', '2026-01-01 00:00:00.000000+00:00', x'7b7d', 'quarantined',"
            " '2026-01-01 00:00:00.000000+00:00')",
            [(f"pay_{user_id}_{n}", f"charge {user_id} {n}", user_id) for n in range(number)],
        )


@pytest.mark.threat(19)
def test_a_formula_in_an_export_is_inert(service: Service, client: httpx.Client) -> None:
    user = 4715
    assert service.deliver(payment(user, "not ours", charge=FORMULA)).status_code == 200
    given(client, user, reason=f"because;{FORMULA}").raise_for_status()
    files = {path: client.get(f"{path}/export", params={"user_id": user}) for path in (PAYMENTS, EVENTS)}

    assert {file.headers["Content-Type"] for file in files.values()} == {"text/csv; charset=utf-8"}
    assert 'filename="payments.csv"' in files[PAYMENTS].headers["Content-Disposition"]
    [paid] = csv.DictReader(StringIO(files[PAYMENTS].text))
    assert (paid["charge_id"], paid["amount"], paid["quarantine_reason"]) == (f"'{FORMULA}", "1250", "bad_payload")
    gift, received = csv.DictReader(StringIO(files[EVENTS].text))
    assert (gift["note"], received["charge_id"]) == (f"because;'{FORMULA}", f"'{FORMULA}")
    exact = client.get(f"{PAYMENTS}/export", params={"user_id": user, "format": "jsonl"})
    assert exact.headers["Content-Type"] == "application/x-ndjson"
    assert json.loads(exact.text) == only(client.get(PAYMENTS, params={"user_id": user}).json()["items"])
    assert json.loads(exact.text)["charge_id"] == FORMULA


def test_a_file_has_every_row_once_also_where_all_have_one_time(service: Service, client: httpx.Client) -> None:
    user, number = 4716, EXPORT_PAGE + 7
    many_payments(service, user, number)

    lines = client.get(f"{PAYMENTS}/export", params={"user_id": user, "format": "jsonl"}).text.splitlines()

    found = [json.loads(line)["payment_id"] for line in lines]
    assert len(found) == len(set(found)) == number
    assert found == sorted(found, reverse=True)
    assert (
        client.get(f"{PAYMENTS}/export", params={"user_id": user, "until": "2026-01-01T00:00:00Z"}).text.count("\n")
        == 1
    ), "only the line of names"
    for query in ({"format": "xlsx"}, {"status": "lost"}, {"since": "soon"}, {"plan_code": "\0"}):
        assert client.get(f"{PAYMENTS}/export", params=query).status_code == 400


def test_a_file_that_can_not_be_finished_breaks_off_and_never_looks_whole(
    service: Service, client: httpx.Client
) -> None:
    user, number = 4717, 40 * EXPORT_PAGE
    many_payments(service, user, number)
    with client.stream("GET", f"{PAYMENTS}/export", params={"user_id": user, "format": "jsonl"}) as answer:
        chunks = answer.iter_bytes()
        begun = next(chunks)
        rows(service, "ALTER TABLE payments RENAME TO away")
        try:
            with pytest.raises(httpx.RemoteProtocolError):
                list(chunks)
        finally:
            rows(service, "ALTER TABLE away RENAME TO payments")
    assert begun
    failed = client.get(f"{PAYMENTS}/export", params={"user_id": user, "limit": 1})
    assert failed.status_code == 200
