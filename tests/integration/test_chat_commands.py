"""What the bot answers to commands: each once, in the private chat, and in groups only where it is meant."""

import re
from collections.abc import Iterator

import pytest

from tests.integration.buying import buy, newcomer, pay, settled, told
from tests.integration.buying import invoice_for as invoiced
from tests.integration.conftest import set_webhook
from tests.integration.sandbox_server import Json, SandboxServer
from tests.integration.service import Service, eventually, only

GROUP = -1_001_000_000_777
ATTEMPTS = 2


@pytest.fixture(scope="module")
def service(telegram: SandboxServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The bot says three things at once in a chat and then one a second: tests that say more take that long."""
    settings = {"PURCHASE_ATTEMPTS_PER_MINUTE": str(ATTEMPTS)}
    with Service(tmp_path_factory.mktemp("service"), telegram.url, settings) as running:
        set_webhook(telegram, running)
        yield running


def answer_to(telegram: SandboxServer, user_id: int, text: str) -> Json:
    """The one message that the bot answers this with."""
    before = len(telegram.bot_messages(user_id))
    telegram.say(user_id, text)
    eventually(lambda: len(telegram.bot_messages(user_id)) > before)
    settled(telegram)
    answer: Json = only(telegram.bot_messages(user_id)[before:])
    return answer


def labels(message: Json) -> list[str]:
    return [button["text"] for row in message.get("reply_markup", {}).get("inline_keyboard", []) for button in row]


def test_start_welcomes_and_offers_to_buy(service: Service, telegram: SandboxServer) -> None:
    answer = answer_to(telegram, newcomer(telegram), "/start")

    assert "Welcome" in answer["text"]
    assert labels(answer) == ["Buy a plan"]


def test_plans_tells_every_plan_with_its_prices(service: Service, telegram: SandboxServer) -> None:
    answer = answer_to(telegram, newcomer(telegram), "/plans")

    for words in ("Gold, 1 month", "1,250 ⭐", "£25.00", "Signals and copy trading", "Day pass", "By card only"):
        assert words in answer["text"]


def test_buy_shows_the_plans_as_buttons(service: Service, telegram: SandboxServer) -> None:
    answer = answer_to(telegram, newcomer(telegram), "/buy")

    assert labels(answer) == ["Gold, 1 month", "Day pass", "Founder, for life", "By card only"]


@pytest.mark.parametrize("said", ["/buy gold_1m", "/start buy_gold_1m", "/BUY gold_1m", "  /buy   gold_1m  "])
def test_buy_with_a_plan_and_the_deep_link_show_how_it_can_be_paid(
    service: Service, telegram: SandboxServer, said: str
) -> None:
    answer = answer_to(telegram, newcomer(telegram), said)

    assert "Gold, 1 month" in answer["text"]
    assert labels(answer) == ["Telegram Stars · 1,250 ⭐", "Telegram Pay · £25.00", "All plans"]


@pytest.mark.parametrize(
    ("said", "method"),
    [("/buy day_pass", "Telegram Stars · 75 ⭐"), ("/buy pounds_only", "Telegram Pay · £10.00")],
)
def test_only_the_methods_in_whose_currency_a_plan_is_priced_are_shown(
    service: Service, telegram: SandboxServer, said: str, method: str
) -> None:
    assert labels(answer_to(telegram, newcomer(telegram), said)) == [method, "All plans"]


@pytest.mark.parametrize(
    "said", ["/buy platinum", "/start buy_platinum", "/start buy_", "/buy <b>gold_1m</b>", "/buy 💎"]
)
def test_a_plan_that_there_is_not_is_answered_without_a_word_of_what_was_typed(
    service: Service, telegram: SandboxServer, said: str
) -> None:
    answer = answer_to(telegram, newcomer(telegram), said)

    assert "platinum" not in answer["text"]
    assert "Telegram Stars" not in str(labels(answer))


def test_a_deep_link_without_a_plan_is_a_start(service: Service, telegram: SandboxServer) -> None:
    assert "Welcome" in answer_to(telegram, newcomer(telegram), "/start from_a_friend")["text"]


def test_help_names_every_command(service: Service, telegram: SandboxServer) -> None:
    answer = answer_to(telegram, newcomer(telegram), "/help")

    for command in ("/plans", "/buy", "/status", "/terms", "/paysupport"):
        assert command in answer["text"]


def test_terms_and_paysupport_are_answered_as_telegram_demands(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)

    assert "Terms of sale" in answer_to(telegram, ada, "/terms")["text"]
    support = answer_to(telegram, ada, "/paysupport")["text"]
    assert "Help with a payment" in support
    assert str(ada) in support


def test_status_says_what_one_has_and_until_when(service: Service, telegram: SandboxServer) -> None:
    ada, bob = newcomer(telegram), newcomer(telegram, "Bob")
    assert "You have no plan" in answer_to(telegram, bob, "/status")["text"]
    buy(service, telegram, ada)
    buy(service, telegram, ada, "founder")
    told(telegram, ada, "for life")

    status = answer_to(telegram, ada, "/status")["text"]
    assert re.search(r"Gold, 1 month, until \d{1,2} [A-Z][a-z]+ 20\d\d, \d\d:\d\d UTC", status)
    assert "Founder, for life, for life" in status


def test_status_says_what_was_paid_and_waits_for_a_person(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    pay(telegram, ada, invoiced(service, ada), amount=700, forge_at="payment")
    told(telegram, ada, "it opened nothing")

    status = answer_to(telegram, ada, "/status")["text"]
    assert "700 ⭐" in status
    assert "/paysupport" in status


@pytest.mark.parametrize("said", ["hello", "/nonsense", "/", "//buy", "/buy@another_bot gold_1m", "💎", "x" * 4096])
def test_what_is_no_command_of_ours_is_answered_with_a_hint(
    service: Service, telegram: SandboxServer, said: str
) -> None:
    assert "Only commands are understood" in answer_to(telegram, newcomer(telegram), said)["text"]


def test_a_message_that_is_delivered_often_is_answered_once(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    telegram.faults(deliver_concurrently=5)
    try:
        answer_to(telegram, ada, "/help")
    finally:
        telegram.faults()
    answer_to(telegram, ada, "/terms")

    assert len(telegram.bot_messages(ada)) == 2


def test_answers_come_in_the_order_of_the_questions(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    for said in ("/start", "/help", "/terms"):
        telegram.say(ada, said)
    eventually(lambda: len(telegram.bot_messages(ada)) == 3)

    begun = [message["text"].splitlines()[0].split(".")[0] for message in telegram.bot_messages(ada)]
    assert begun == ["Welcome", "What you can send", "Terms of sale"]


@pytest.mark.parametrize("kind", ["edited", "channel", "business"])
def test_what_is_said_in_any_other_way_is_not_answered(service: Service, telegram: SandboxServer, kind: str) -> None:
    ada = newcomer(telegram)
    first = telegram.say(ada, "/help")
    told(telegram, ada, "What you can send")
    message_id = first["message_id"] if kind == "edited" else None
    telegram.say(ada, "/buy", kind=kind, message_id=message_id)  # type: ignore[arg-type]
    answer_to(telegram, ada, "/terms")  # what comes after it is answered, so it was passed by

    assert len(telegram.bot_messages(ada)) == 2


def test_in_a_group_only_a_command_that_names_the_bot_is_answered_and_leads_to_the_private_chat(
    service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    username = telegram.call("getMe")["result"]["username"]
    for said in ("/buy gold_1m", "hello", f"hello @{username}", "/buy@another_bot gold_1m"):
        telegram.say(ada, said, chat_id=GROUP, bot_sees_all=True)
    telegram.say(ada, f"/buy@{username} gold_1m", chat_id=GROUP)

    def answers() -> list[Json]:
        said = telegram.messages(ada, chat_id=GROUP)
        return [message for message in said if message.get("from", {}).get("is_bot")]

    answer = only(eventually(answers))
    assert "private chat" in answer["text"]
    link = only([button for row in answer["reply_markup"]["inline_keyboard"] for button in row])
    assert link["url"] == f"https://t.me/{username}?start=buy_gold_1m"
    assert telegram.bot_messages(ada) == []


def test_commands_cost_no_attempt(service: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    for _ in range(ATTEMPTS + 1):
        answer_to(telegram, ada, "/buy gold_1m")

    assert invoiced(service, ada)["plan_code"] == "gold_1m"


def test_a_language_without_words_of_its_own_is_answered_in_english(service: Service, telegram: SandboxServer) -> None:
    assert "Welcome" in answer_to(telegram, newcomer(telegram, language_code="tlh"), "/start")["text"]
