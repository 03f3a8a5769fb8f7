"""What Telegram tells over its own protocol reads as the same update of the Bot API."""

from base64 import b64decode
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from telethon.extensions import BinaryReader
from telethon.tl import types

from adapters.telegram.mtproto.transactions import bot_api_transaction
from adapters.telegram.mtproto.updates import bot_api_update
from adapters.telegram.star_ledger import read_transaction
from adapters.telegram.updates import Ignored, Unreadable, read_update
from application.chat import ButtonPress, ChatMessage
from domain.ids import MAX_USER_ID
from domain.invoice import PreCheckout
from domain.payment import Charge, Refund
from tests.builders import MAIN

ADA, BOT = 1001, 7_000_001
THEN = datetime(2026, 11, 28, 12, tzinfo=UTC)
CHARGE = types.PaymentCharge("stx-1", "prov-1")
ADA_S_CHAT = types.PeerUser(ADA)


def person(user_id: int) -> dict[str, Any]:
    return {"id": user_id, "is_bot": False, "language_code": "pt-BR"}


def body(update: Any) -> bytes:
    found = bot_api_update(update, person, BOT)
    assert found is not None
    return msgspec.json.encode(found)


def read(update: Any) -> Any:
    return read_update(body(update), MAIN, "our_bot").content


def service(action: Any, **more: Any) -> Any:
    return types.UpdateNewMessage(types.MessageService(5, ADA_S_CHAT, THEN, action=action, **more), 0, 1)


def paid(**more: Any) -> Any:
    return types.MessageActionPaymentSentMe("XTR", 1250, b"payload", CHARGE, **more)


def said(text: str, **more: Any) -> Any:
    return types.UpdateNewMessage(types.Message(5, more.pop("peer_id", ADA_S_CHAT), THEN, text, **more), 0, 1)


def test_a_payment_is_one() -> None:
    content = read(service(paid(recurring_init=True, recurring_used=True, subscription_until_date=THEN)))
    assert isinstance(content, Charge)
    assert (content.charge_id, content.payer, content.paid.amount, content.payload) == ("stx-1", ADA, 1250, "payload")
    assert content.charged_at == THEN
    told = msgspec.json.decode(content.message)["message"]["successful_payment"]
    assert (told["is_recurring"], told["is_first_recurring"]) == (True, True)
    assert told["subscription_expiration_date"] == int(THEN.timestamp())


def test_a_refund_is_one_also_where_the_bot_is_said_to_have_sent_it() -> None:
    action = types.MessageActionPaymentRefunded(ADA_S_CHAT, "XTR", 1250, CHARGE, payload=b"payload")
    for out in (True, None):
        content = read(service(action, out=out))
        assert isinstance(content, Refund)
        assert (content.charge_id, content.refunded.amount) == ("stx-1", 1250)


@pytest.mark.threat(46)
@pytest.mark.parametrize(
    "elsewhere",
    [
        pytest.param({"fwd_from": types.MessageFwdHeader(THEN)}, id="forwarded"),
        pytest.param({"out": True}, id="sent by the bot"),
        pytest.param({"from_id": types.PeerChannel(5)}, id="in a channel's name"),
    ],
)
def test_a_payment_that_is_told_elsewhere_counts_for_nothing(elsewhere: dict[str, Any]) -> None:
    assert isinstance(read(service(paid(), **elsewhere)), Unreadable)


@pytest.mark.threat(46)
def test_a_payment_in_an_edited_a_channel_s_or_a_business_message_counts_for_nothing() -> None:
    message = service(paid()).message
    post = types.MessageService(5, types.PeerChannel(5), THEN, post=True, action=paid())
    for update in (
        types.UpdateEditMessage(message, 0, 1),
        types.UpdateBotNewBusinessMessage("connection", message, 0),
        types.UpdateNewChannelMessage(post, 0, 1),
    ):
        assert isinstance(read(update), Unreadable)


@pytest.mark.parametrize("query_id", [-(2**63), -1, 2**63 - 1])
def test_a_pre_checkout_is_one_whatever_its_number(query_id: int) -> None:
    update = types.UpdateBotPrecheckoutQuery(query_id, MAX_USER_ID, b"payload", "GBP", 2500)
    content = read(update)
    assert isinstance(content, PreCheckout)
    assert (content.query_id, content.payer, content.paid.amount) == (str(query_id), MAX_USER_ID, 2500)


def test_a_text_is_one_in_the_language_of_who_says_it() -> None:
    content = read(said("/buy gold_1m"))
    assert isinstance(content, ChatMessage)
    assert (content.chat_id, content.user_id, content.command, content.argument) == (ADA, ADA, "buy", "gold_1m")
    assert content.language == "pt-br"


def test_a_text_in_a_group_is_its_sender_s() -> None:
    for peer, chat in ((types.PeerChat(9), -9), (types.PeerChannel(9), -1_000_000_000_009)):
        content = read(said("/buy@our_bot", peer_id=peer, from_id=ADA_S_CHAT))
        assert isinstance(content, ChatMessage)
        assert (content.chat_id, content.user_id) == (chat, ADA)


def test_a_picture_is_said_without_words_and_a_link_s_preview_is_not() -> None:
    assert isinstance(read(said("", media=types.MessageMediaPhoto())), ChatMessage)
    page = types.MessageMediaWebPage(types.WebPageEmpty(1))
    content = read(said("/help", media=page))
    assert isinstance(content, ChatMessage)
    assert content.command == "help"


def test_a_pressed_button_is_one() -> None:
    update = types.UpdateBotCallbackQuery(-5, ADA, ADA_S_CHAT, 7, 1, data=b"p:1001")
    content = read(update)
    assert isinstance(content, ButtonPress)
    assert (content.owner, content.chat_id) == (ADA, ADA)


@pytest.mark.parametrize(
    "update",
    [
        types.UpdateBotStarsSubscription(ADA, b"payload", 3, canceled=True),
        types.UpdateBotStopped(ADA, THEN, stopped=True, qts=3),
        types.UpdateBotShippingQuery(5, ADA, b"payload", types.PostAddress("", "", "", "", "GB", "")),
        said("/buy", via_bot_id=5, from_id=types.PeerChannel(5)),
    ],
)
def test_what_means_nothing_to_us_is_told_and_ignored(update: Any) -> None:
    assert isinstance(read(update), Ignored)


@pytest.mark.parametrize(
    "update",
    [
        said("our own words", out=True),
        types.UpdateNewMessage(types.MessageEmpty(5, ADA_S_CHAT), 0, 1),
        types.UpdateUserTyping(ADA, types.SendMessageTypingAction()),
    ],
)
def test_what_the_bot_api_never_tells_is_not_told(update: Any) -> None:
    assert bot_api_update(update, person, BOT) is None


def test_the_same_bears_the_same_number_and_another_another() -> None:
    numbers = [read_update(body(update), MAIN, None).update_id for update in (said("a"), said("a"), service(paid()))]
    assert numbers[0] == numbers[1] == numbers[2], "one message, whatever is in it"
    press = types.UpdateBotCallbackQuery(5, ADA, ADA_S_CHAT, 5, 1)
    assert read_update(body(press), MAIN, None).update_id != numbers[0]
    assert all(2**62 <= number < 2**63 for number in numbers)


def test_the_whole_of_what_came_stands_beside_it() -> None:
    update = service(paid())
    kept = b64decode(msgspec.json.decode(body(update))["mtproto"])
    assert bytes(BinaryReader(kept).tgread_object()) == kept == bytes(update)


def line(stars: int, **more: Any) -> Any:
    peer = more.pop("peer", types.StarsTransactionPeer(ADA_S_CHAT))
    return types.StarsTransaction("stx-1", types.StarsAmount(stars, 0), THEN, peer, bot_payload=b"payload", **more)


def entry(told: Any) -> Any:
    return read_transaction(msgspec.json.encode(bot_api_transaction(told)), MAIN)


def test_a_line_of_the_ledger_is_a_charge_or_its_refund() -> None:
    charge, refund = entry(line(1250)), entry(line(-1250, refund=True))
    assert isinstance(charge, Charge)
    assert (charge.payer, charge.paid.amount, charge.payload, charge.charged_at) == (ADA, 1250, "payload", THEN)
    assert isinstance(refund, Refund)
    assert (refund.charge_id, refund.refunded.amount) == ("stx-1", 1250)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"gift": True}, id="a gift"),
        pytest.param({"paid_messages": 1}, id="a message that had its price"),
        pytest.param({"peer": types.StarsTransactionPeerFragment()}, id="Stars bought elsewhere"),
    ],
)
def test_what_we_do_not_sell_is_nothing_of_ours(other: dict[str, Any]) -> None:
    assert entry(line(1250, **other)) is None
