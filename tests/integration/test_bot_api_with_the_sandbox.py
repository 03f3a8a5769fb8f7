"""The real adapter against a Telegram that holds everything to Telegram's own rules."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.telegram.bot_api import BotApi, Refused
from adapters.telegram.buttons import decode
from adapters.telegram.init_data import verify_init_data
from adapters.telegram.limits import BeyondLimits
from adapters.telegram.messenger import BotApiMessenger
from adapters.telegram.texts import Texts
from adapters.telegram.usernames import Usernames
from adapters.telegram.webhook import ALLOWED_UPDATES, BotApiWebhook
from adapters.telegram.words import DIRECTORY, Words
from application.buttons import ShowPlans
from application.messages import (
    AskInPrivate,
    InvoiceMessage,
    Letter,
    Message,
    PlanChoice,
    PlanList,
    PlanMenu,
    Price,
    Welcome,
)
from application.ports.outbox import Blocked, Sent
from application.ports.outcomes import TryLater
from domain.catalog import Method
from domain.ids import MAX_USER_ID, BotName, InvoiceId, PlanCode, UserId
from tests.integration.sandbox_server import BOT_TOKEN, Json, SandboxServer
from tests.unit.test_telegram_texts import EVERY_MESSAGE

MAIN = BotName("main")
SECRET = "secret-of-the-tests"
PROVIDER_TOKEN = "284685063:TEST:ZGVtbw"


@pytest.fixture(scope="module")
def telegram() -> Iterator[SandboxServer]:
    with SandboxServer(messages_per_second=1e6, chat_messages_per_second=1e6, chat_burst=10**6) as sandbox:
        yield sandbox


@pytest.fixture
def bot(telegram: SandboxServer) -> Iterator[BotApi]:
    telegram.reset()
    telegram.faults()
    bot = BotApi(BOT_TOKEN, base=telegram.url)
    BotApiWebhook(bot).get_me()
    yield bot
    bot.close()


@pytest.fixture
def messenger(bot: BotApi) -> BotApiMessenger:
    usernames = Usernames({MAIN: bot})
    usernames.learn()
    return BotApiMessenger({MAIN: bot}, Texts(support_contact="@help"), usernames, provider_token=PROVIDER_TOKEN)


@pytest.fixture
def ada(telegram: SandboxServer, bot: BotApi) -> Json:
    return telegram.create_user("Ada", started=True)


def to(user: Json, message: Message) -> Letter:
    return Letter(bot=MAIN, chat_id=user["id"], language="en", message=message)


STARS = Price(amount=1250, currency="XTR")


def invoice(user: Json, price: Price = STARS, *, title: str = "Gold, 1 month") -> InvoiceMessage:
    return InvoiceMessage(
        invoice_id=InvoiceId("inv_" + "0123456789abcdef" * 2),
        user_id=UserId(user["id"]),
        title=title,
        description="Signals and copy trading",
        payload="t1.gold_1m." + "p" * 100,
        price=price,
        method=Method.STARS if price.currency == "XTR" else Method.TELEGRAM,
    )


@pytest.mark.criterion("1.10")
@pytest.mark.threat(12)
@pytest.mark.parametrize(
    ("price", "pay"),
    [
        (Price(amount=1250, currency="XTR"), "Pay 1,250 ⭐"),
        (Price(amount=2500, currency="GBP"), "Pay £25.00"),
        (Price(amount=1200, currency="JPY"), "Pay ¥1,200"),
        (Price(amount=99, currency="USD"), "Pay $0.99"),
        (Price(amount=1500, currency="KWD"), "Pay 1.500 KWD"),
        (Price(amount=99900, currency="HUF"), "Pay 999.00 HUF"),
        (Price(amount=5000, currency="UGX"), "Pay 5,000 UGX"),
    ],
    ids=str,
)
def test_an_invoice_passes_telegrams_limits_and_stands_in_the_chat(
    telegram: SandboxServer, messenger: BotApiMessenger, ada: Json, price: Price, pay: str
) -> None:
    delivery = messenger.send(to(ada, invoice(ada, price)))
    shown = telegram.last_invoice(ada)
    assert delivery == Sent(message_id=shown["message_id"])
    assert (shown["invoice"]["currency"], shown["invoice"]["total_amount"]) == (price.currency, price.amount)
    assert [button["text"] for row in shown["reply_markup"]["inline_keyboard"] for button in row] == [pay, "Cancel"]
    (call,) = telegram.calls("sendInvoice")
    assert call["status"] == 200


def test_the_longest_title_payload_user_and_button_pass(telegram: SandboxServer, messenger: BotApiMessenger) -> None:
    last = telegram.create_user("Last", id=MAX_USER_ID, started=True)
    assert isinstance(messenger.send(to(last, invoice(last, title="W" * 32))), Sent)


def test_every_message_is_taken_by_telegram(telegram: SandboxServer, messenger: BotApiMessenger, ada: Json) -> None:
    for message in EVERY_MESSAGE:
        assert isinstance(messenger.send(to(ada, message)), Sent), message
    assert len(telegram.bot_messages(ada)) == len(EVERY_MESSAGE)
    assert all("&" not in message["text"] for message in telegram.bot_messages(ada))


@pytest.mark.threat(18)
@pytest.mark.parametrize("title", ["<b>Gold</b>", "</b><a href='https://evil.example'>", "&lt;", "ذهبي\u202e\u200b"])
def test_a_name_with_markup_is_shown_as_it_is(
    telegram: SandboxServer, messenger: BotApiMessenger, ada: Json, title: str
) -> None:
    plan = PlanChoice(
        plan_code=PlanCode("gold"), title=title, description=title, prices=(Price(amount=1, currency="XTR"),)
    )
    for message in (PlanList(plans=(plan,)), PlanMenu(user_id=UserId(ada["id"]), plans=(plan,))):
        assert isinstance(messenger.send(to(ada, message)), Sent)
        (shown,) = telegram.bot_messages(ada)[-1:]
        assert title.removesuffix("\u202e\u200b") in shown["text"]
        assert not [entity for entity in shown["entities"] if entity["type"] == "text_link"]


def test_a_catalog_of_100_plans_is_taken(telegram: SandboxServer, messenger: BotApiMessenger, ada: Json) -> None:
    plans = tuple(
        PlanChoice(
            plan_code=PlanCode(f"plan_{number}"),
            title=f"Plan {number} with a long title"[:32],
            description="d" * 255,
            prices=(Price(amount=99_999, currency="XTR"), Price(amount=99_999, currency="GBP")),
        )
        for number in range(100)
    )
    assert isinstance(messenger.send(to(ada, PlanList(plans=plans))), Sent)
    assert isinstance(messenger.send(to(ada, PlanMenu(user_id=UserId(ada["id"]), plans=plans))), Sent)
    assert len(telegram.buttons(ada)) == 100


def test_a_button_comes_back_as_what_it_was_made_for(
    telegram: SandboxServer, messenger: BotApiMessenger, ada: Json
) -> None:
    messenger.send(to(ada, Welcome()))
    (button,) = telegram.buttons(ada)
    assert decode(button["callback_data"]) == (ShowPlans(), ada["id"])


def test_a_group_is_shown_the_way_to_the_private_chat(
    telegram: SandboxServer, messenger: BotApiMessenger, ada: Json, bot: BotApi
) -> None:
    telegram.say(ada, "hello", chat_id=-100)
    letter = Letter(bot=MAIN, chat_id=-100, language="en", message=AskInPrivate(start="buy_gold"))
    assert isinstance(messenger.send(letter), Sent)
    (call,) = telegram.calls("sendMessage")
    username = BotApiWebhook(bot).get_me().username
    assert (
        call["arguments"]["reply_markup"]["inline_keyboard"][0][0]["url"] == f"https://t.me/{username}?start=buy_gold"
    )


def test_a_link_can_be_paid_by_who_opens_it(telegram: SandboxServer, messenger: BotApiMessenger, ada: Json) -> None:
    url = messenger.invoice_link(to(ada, invoice(ada)))
    assert telegram.pay(ada, link=url, skip_pre_checkout=True).status == "paid"


def test_who_blocked_the_bot_or_never_met_it_is_not_written_to(
    telegram: SandboxServer, messenger: BotApiMessenger, ada: Json
) -> None:
    telegram.block(ada)
    assert isinstance(messenger.send(to(ada, Welcome())), Blocked)
    stranger = telegram.create_user("Stranger")
    assert isinstance(messenger.send(to(stranger, Welcome())), Blocked)


@pytest.mark.parametrize(
    "fault", [{"api_5xx": 1}, {"api_429": 1, "api_retry_after": 3}, {"api_resets": 1}, {"api_lose_replies": 1}], ids=str
)
def test_what_goes_wrong_once_is_tried_later_and_then_well(
    telegram: SandboxServer, messenger: BotApiMessenger, ada: Json, fault: dict[str, int]
) -> None:
    telegram.faults(**fault)
    assert isinstance(messenger.send(to(ada, Welcome())), TryLater)
    assert isinstance(messenger.send(to(ada, Welcome())), Sent)


def test_connections_are_used_again(messenger: BotApiMessenger, ada: Json) -> None:
    for _ in range(50):
        assert isinstance(messenger.send(to(ada, Welcome())), Sent)


# Setting up


def test_the_webhook_is_set_for_exactly_what_we_need_and_loses_nothing(telegram: SandboxServer, bot: BotApi) -> None:
    webhook = BotApiWebhook(bot)
    webhook.set("http://127.0.0.1:9/hook", SECRET)
    (call,) = telegram.calls("setWebhook")
    assert "drop_pending_updates" not in call["arguments"]
    assert tuple(call["arguments"]["allowed_updates"]) == ALLOWED_UPDATES
    info = webhook.info()
    assert info.url == "http://127.0.0.1:9/hook"
    assert set(info.allowed_updates) == set(ALLOWED_UPDATES)
    assert info.max_connections == 40
    assert info.last_error_at is None
    webhook.delete()
    assert webhook.info().url == ""
    assert "drop_pending_updates" not in telegram.calls("deleteWebhook")[-1]["arguments"]


def test_a_webhook_where_nobody_answers_shows_its_last_error(telegram: SandboxServer, bot: BotApi, ada: Json) -> None:
    webhook = BotApiWebhook(bot)
    webhook.set("http://127.0.0.1:9/hook", SECRET)
    telegram.redeliver(telegram.say(ada, "/start")["update_id"])
    info = webhook.info()
    webhook.delete()
    assert info.pending_update_count == 1
    assert info.last_error_message
    assert info.last_error_at is not None
    assert abs((datetime.now(UTC) - info.last_error_at).total_seconds()) < 60


def test_a_webhook_beyond_the_limits_is_refused_before_telegram_is_asked(telegram: SandboxServer, bot: BotApi) -> None:
    with pytest.raises(BeyondLimits):
        BotApiWebhook(bot).set("http://127.0.0.1:9/hook", "no spaces")
    assert telegram.calls("setWebhook") == []


def test_an_address_that_telegram_does_not_take_is_refused_in_its_words(bot: BotApi) -> None:
    with pytest.raises(Refused, match="HTTPS"):
        BotApiWebhook(bot).set("http://shop.example/hook", SECRET)


def test_the_bot_tells_who_it_is(bot: BotApi) -> None:
    me = BotApiWebhook(bot).get_me()
    assert me.id == bot.id == int(BOT_TOKEN.partition(":")[0])
    assert me.username


def test_the_command_menu_is_put_up(telegram: SandboxServer, bot: BotApi) -> None:
    BotApiWebhook(bot).set_my_commands(Texts())
    (call,) = telegram.calls("setMyCommands")
    assert call["status"] == 200
    assert [command["command"] for command in call["arguments"]["commands"]] == [
        "plans",
        "buy",
        "status",
        "help",
        "terms",
        "paysupport",
    ]


def test_the_command_menu_is_put_up_in_every_language_that_telegram_knows_menus_in(
    telegram: SandboxServer, bot: BotApi, tmp_path: Path
) -> None:
    (tmp_path / "en.ftl").write_text((DIRECTORY / "en.ftl").read_text("utf-8"), "utf-8")
    for language in ("de", "pt-br"):
        (tmp_path / f"{language}.ftl").write_text("command-buy = Kaufen\n", "utf-8")
    BotApiWebhook(bot).set_my_commands(Texts(words=Words(tmp_path)))
    calls = telegram.calls("setMyCommands")
    assert [call["arguments"].get("language_code") for call in calls] == ["de", None]
    assert "Kaufen" in str(calls[0]["arguments"]["commands"])


@pytest.mark.criterion("5.7")
def test_a_mini_apps_init_data_is_believed(telegram: SandboxServer, bot: BotApi) -> None:
    user = telegram.create_user("Ada <b>& Co", language_code="de", username="ada")
    proof = verify_init_data(telegram.init_data(user), {MAIN: BOT_TOKEN}, datetime.now(UTC))
    assert (proof.user_id, proof.bot, proof.language) == (user["id"], MAIN, "de")
