"""Criteria 1: the service puts an invoice into the user's chat, at the catalog's price, and only for whom it may."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest

from tests.integration.buying import SEND_INVOICE, ask, buy, counted, invoice_for, newcomer, purchase_lines, rows
from tests.integration.conftest import set_webhook
from tests.integration.sandbox_server import SandboxServer
from tests.integration.service import CATALOG, LOOPBACK, Service, eventually, only

LONGEST_CODE = "a_plan_whose_code_has_forty_characters_x"
AT_THE_LIMITS = f"""
[plans.{LONGEST_CODE}]
title = "{"T" * 32}"
description = "{"D" * 255}"
features = ["signals"]
duration = "1 year"
prices = {{ XTR = 10000, GBP = 100000 }}
"""
SIXTEEN_DIGITS = 2**52 - 1_000_000
"""Near the largest user id; newcomers after it are given the next ones."""


@pytest.fixture(scope="module")
def service(telegram: SandboxServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    (folder / "catalog.toml").write_text(CATALOG + AT_THE_LIMITS)
    with Service(folder, telegram.url) as running:
        set_webhook(telegram, running)
        yield running


@pytest.mark.criterion("1.1", "1.2", "1.3")
@pytest.mark.parametrize(
    ("plan_code", "method", "price"),
    [
        ("gold_1m", "stars", (1250, "XTR")),
        ("gold_1m", "telegram", (2500, "GBP")),
        ("day_pass", "stars", (75, "XTR")),
        ("founder", "stars", (25000, "XTR")),
        ("founder", "telegram", (49900, "GBP")),
        ("pounds_only", "telegram", (1000, "GBP")),
    ],
)
def test_a_known_plan_is_put_into_the_chat_at_exactly_the_catalogs_price(
    service: Service, telegram: SandboxServer, plan_code: str, method: str, price: tuple[int, str]
) -> None:
    ada = newcomer(telegram)
    answer = invoice_for(service, ada, plan_code, method=method)

    shown = telegram.last_invoice(ada)
    assert answer.pop("expires_at").endswith("Z")
    assert answer.pop("invoice_id").startswith("inv_")
    assert answer == {
        "plan_code": plan_code,
        "method": method,
        "amount": price[0],
        "currency": price[1],
        "telegram_message_id": shown["message_id"],
    }
    assert (shown["invoice"]["total_amount"], shown["invoice"]["currency"]) == price


@pytest.mark.criterion("1.2")
def test_the_ids_that_are_returned_are_those_that_are_kept(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    answer = invoice_for(service, ada)

    kept = only(rows(service, "SELECT * FROM invoices WHERE user_id = ?", ada))
    assert kept["id"] == answer["invoice_id"]
    assert kept["telegram_message_id"] == answer["telegram_message_id"] == telegram.last_invoice(ada)["message_id"]
    lasts = datetime.fromisoformat(kept["expires_at"]) - datetime.fromisoformat(kept["issued_at"])
    assert lasts == timedelta(hours=1)


@pytest.mark.criterion("1.1")
def test_without_a_method_stars_are_asked_for_and_else_money(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)

    assert invoice_for(service, ada, "gold_1m")["method"] == "stars"
    assert invoice_for(service, ada, "pounds_only")["method"] == "telegram"


@pytest.mark.criterion("1.4")
@pytest.mark.parametrize("plan_code", ["platinum", "gold", "gold_1m_", LONGEST_CODE[:-1]])
def test_an_unknown_plan_is_refused_and_nobody_is_sent_anything(
    service: Service, telegram: SandboxServer, plan_code: str
) -> None:
    ada = newcomer(telegram)
    answer = ask(service, ada, plan_code)

    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_plan")
    assert telegram.messages(ada) == []


@pytest.mark.criterion("1.5")
@pytest.mark.parametrize("plan_code", ["gold_1m", "founder"])
def test_who_holds_the_plan_already_is_refused(service: Service, telegram: SandboxServer, plan_code: str) -> None:
    ada = newcomer(telegram)
    buy(service, telegram, ada, plan_code)
    answer = ask(service, ada, plan_code)

    assert (answer.status_code, answer.json()["code"]) == (409, "already_entitled")
    assert len(telegram.invoices(ada)) == 1


@pytest.mark.criterion("1.5")
def test_a_plan_that_is_held_may_be_bought_again_shortly_before_its_end(
    service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    buy(service, telegram, ada, "day_pass")  # its renew_window is longer than the plan itself

    assert ask(service, ada, "day_pass").status_code == 200


@pytest.mark.criterion("1.6")
def test_a_caller_without_a_valid_token_is_refused_before_anything_is_read(service: Service) -> None:
    no_token = LOOPBACK.post(service.url + SEND_INVOICE, json={"plan_code": "gold_1m"})
    no_user = ask(service, 0)
    bad_body = LOOPBACK.post(service.url + SEND_INVOICE, json={"nonsense": True}, headers={"Authorization": "Bearer x"})

    for answer in (no_token, no_user, bad_body):
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.criterion("1.7")
def test_of_twelve_attempts_at_once_exactly_five_are_admitted(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    with ThreadPoolExecutor(12) as at_once:
        answers = list(at_once.map(lambda _: ask(service, ada), range(12)))

    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [429] * 7
    for answer in answers:
        if answer.status_code == 429:
            assert answer.json()["code"] == "rate_limited"
            assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert len(telegram.invoices(ada)) == 5


@pytest.mark.criterion("1.7")
def test_attempts_in_the_chat_and_over_http_count_together_and_refused_ones_do_not(
    service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    assert ask(service, ada, "platinum").status_code == 422
    assert ask(service, ada, "day_pass", method="telegram").json()["code"] == "method_unavailable"
    assert ask(service, ada, "gold_1m", nonsense=1).status_code == 400
    for _ in range(3):
        assert ask(service, ada).status_code == 200
    telegram.say(ada, "/buy gold_1m")
    eventually(lambda: telegram.buttons(ada)[0]["text"].startswith("Telegram Stars"))
    for sent in (4, 5):
        telegram.press_button(ada, "Telegram Stars")
        eventually(lambda sent=sent: len(telegram.invoices(ada)) == sent)

    assert ask(service, ada).status_code == 429


@pytest.mark.criterion("1.7")
def test_one_users_haste_is_nothing_to_another(service: Service, telegram: SandboxServer) -> None:
    ada, bob = newcomer(telegram), newcomer(telegram, "Bob")
    answers = [ask(service, ada) for _ in range(6)]

    assert answers[-1].status_code == 429
    assert ask(service, bob).status_code == 200


@pytest.mark.criterion("1.8")
def test_the_log_tells_who_was_sent_what_for_how_much(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    answer = ask(service, ada)

    for event in ("invoice.issued", "invoice.sent"):
        line = only(purchase_lines(service, event=event, user_id=ada))
        assert (line["plan_code"], line["amount"], line["currency"]) == ("gold_1m", 1250, "XTR")
        assert line["invoice_id"] == answer.json()["invoice_id"]
        assert line["request_id"] == answer.headers["X-Request-Id"]


@pytest.mark.criterion("1.9")
def test_what_was_sent_is_counted_by_plan(service: Service, telegram: SandboxServer) -> None:
    before = counted(service, "telegram_payments_total", result="sent", plan_code="pounds_only")
    invoice_for(service, newcomer(telegram), "pounds_only")

    assert counted(service, "telegram_payments_total", result="sent", plan_code="pounds_only") == before + 1


@pytest.mark.criterion("1.10")
@pytest.mark.parametrize("method", ["stars", "telegram"])
def test_telegram_takes_the_invoice_of_the_longest_plan_for_a_user_id_of_sixteen_digits(
    service: Service, telegram: SandboxServer, method: str
) -> None:
    ada = newcomer(telegram, id=SIXTEEN_DIGITS - (method == "stars"))
    invoice_for(service, ada, LONGEST_CODE, method=method)

    call = only([call for call in telegram.calls("sendInvoice") if call["arguments"]["chat_id"] == ada])
    sent = call["arguments"]
    assert call["answer"]["ok"] is True
    assert (sent["title"], sent["description"]) == ("T" * 32, "D" * 255)
    assert len(sent["payload"].encode("ascii")) <= 128
    assert len(sent["prices"]) == 1
    assert sent["provider_token"] == ("" if method == "stars" else "provider:TEST:1")
    buttons = [button for row in sent["reply_markup"]["inline_keyboard"] for button in row]
    assert buttons[0]["pay"] is True
    assert all(len(button.get("callback_data", "").encode()) <= 64 for button in buttons)


@pytest.mark.criterion("1.10")
def test_where_telegram_is_away_nobody_is_told_that_an_invoice_was_sent(
    service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    sent = counted(service, "telegram_payments_total", result="sent", plan_code="gold_1m")
    failed = counted(service, "telegram_payments_total", result="failed", plan_code="gold_1m")
    telegram.faults(api_5xx=-1)
    try:
        answer = ask(service, ada)
    finally:
        telegram.faults()

    assert (answer.status_code, answer.json()["code"]) == (502, "provider_unavailable")
    assert counted(service, "telegram_payments_total", result="sent", plan_code="gold_1m") == sent
    assert counted(service, "telegram_payments_total", result="failed", plan_code="gold_1m") == failed + 1


@pytest.mark.criterion("1.10")
def test_whom_the_bot_may_not_write_to_must_press_start_first(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    telegram.block(ada)
    answer = ask(service, ada)

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert "Start" in answer.json()["detail"]


@pytest.mark.criterion("1.10")
def test_a_link_for_a_mini_app_is_an_invoice_that_can_be_paid(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    with service.as_user(ada) as client:
        link = client.post("/api/v1/telegram/payment/invoice-link", json={"plan_code": "gold_1m"})

    assert link.status_code == 200
    assert link.json()["amount"] == 1250
    assert telegram.pay(ada, link=link.json()["url"]).status == "paid"
    eventually(lambda: service.allowed(ada, "copy_trading"))
