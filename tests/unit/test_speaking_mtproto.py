"""Calls of the Bot API go out as the requests of MTProto that do the same."""

from datetime import timedelta
from typing import Any

import pytest
from telethon import errors
from telethon.tl import types

from adapters.telegram.bot_api import Unreachable
from adapters.telegram.calls import Call
from adapters.telegram.mtproto.refusals import name_of, refused
from adapters.telegram.mtproto.requests import bot_api_number, random_id, request_of, result_of, spoken_to

HASH = -(2**63)


def message(text: str = "<b>Gold</b> &amp; more 🇬🇧", chat_id: int = 1001, key: str = "", **more: Any) -> Call:
    return Call("sendMessage", {"chat_id": chat_id, "text": text, "parse_mode": "HTML", **more}, key)


def test_html_becomes_plain_text_and_what_stands_out_in_it() -> None:
    request = request_of(message(), HASH)
    assert request.message == "Gold & more 🇬🇧"
    (bold,) = request.entities
    assert (type(bold), bold.offset, bold.length) == (types.MessageEntityBold, 0, 4)
    assert (request.peer.user_id, request.peer.access_hash) == (1001, HASH)


def test_a_group_is_spoken_to_by_its_own_number() -> None:
    assert request_of(message(chat_id=-9), 0).peer == types.InputPeerChat(9)
    assert request_of(message(chat_id=-1_000_000_000_009), 5).peer == types.InputPeerChannel(9, 5)
    assert [bot_api_number(peer) for peer in (types.PeerUser(1), types.PeerChat(9), types.PeerChannel(9))] == [
        1,
        -9,
        -1_000_000_000_009,
    ]
    with pytest.raises(ValueError, match="neither"):
        bot_api_number(None)


def test_the_same_words_under_the_same_key_bear_the_same_number() -> None:
    assert random_id(message(key="5")) == random_id(message(key="5"))
    assert random_id(message(key="5")) != random_id(message(key="6"))
    assert random_id(message(key="5")) != random_id(message("other words", key="5"))
    assert random_id(message()) != random_id(message()), "without a key each is said for itself"
    assert -(2**63) <= random_id(message(key="5")) < 2**63


def test_edits_go_to_their_message() -> None:
    text = Call("editMessageText", {"chat_id": 1, "message_id": 7, "text": "plain <b>"})
    buttons = {"inline_keyboard": [[{"text": "A", "url": "https://a.example"}]]}
    markup = Call("editMessageReplyMarkup", {"chat_id": 1, "message_id": 7, "reply_markup": buttons})
    assert (request_of(text, 0).id, request_of(text, 0).message) == (7, "plain <b>")
    assert request_of(markup, 0).reply_markup.rows[0].buttons[0].type.url == "https://a.example"
    assert request_of(markup, 0).message is None
    assert result_of(text, None, object()) == {"message_id": 7}


def test_a_pre_checkout_is_answered_yes_or_no_with_the_reason() -> None:
    no = Call("answerPreCheckoutQuery", {"pre_checkout_query_id": "-5", "ok": False, "error_message": "Too late"})
    yes = Call("answerPreCheckoutQuery", {"pre_checkout_query_id": "5", "ok": True})
    assert (request_of(no, 0).query_id, request_of(no, 0).success, request_of(no, 0).error) == (-5, None, "Too late")
    assert (request_of(yes, 0).success, request_of(yes, 0).error) == (True, None)


def test_commands_are_put_into_the_menu_of_a_language() -> None:
    call = Call("setMyCommands", {"commands": [{"command": "buy", "description": "Buy"}], "language_code": "de"})
    assert (request_of(call, 0).lang_code, request_of(call, 0).commands[0].command) == ("de", "buy")
    assert result_of(call, None, True) is True


def test_what_has_nothing_to_correspond_to_is_not_spoken() -> None:
    with pytest.raises(ValueError, match="setWebhook"):
        request_of(Call("setWebhook", {}), 0)


def test_the_number_of_a_message_is_found_in_whatever_telegram_says() -> None:
    request = request_of(message(key="5"), 0)
    short = types.UpdateShortSentMessage(9, 1, 1, None)
    whole = types.Updates([types.UpdateMessageID(8, request.random_id)], [], [], None, 0)
    silent = types.Updates([], [], [], None, 0)
    assert [result_of(message(), request, told) for told in (short, whole, silent)] == [
        {"message_id": 9},
        {"message_id": 8},
        {"message_id": 0},
    ]


@pytest.mark.parametrize("method", ["sendMessage", "createInvoiceLink", "getStarTransactions", "getMe"])
def test_an_answer_to_something_else_is_none(method: str) -> None:
    with pytest.raises(Unreachable, match=f"{method}: answered with a bool"):
        result_of(Call(method, {}), None, True)


def test_whose_hash_is_needed_stands_in_the_call() -> None:
    assert spoken_to(message(chat_id=5)) == 5
    assert spoken_to(Call("refundStarPayment", {"user_id": 6})) == 6
    assert spoken_to(Call("getMe", {})) is None


def rpc(name: str, code: int = 400) -> Any:
    return errors.rpc_message_to_error(types.RpcError(code, name), None)


@pytest.mark.parametrize(
    "name", ["USER_IS_BLOCKED", "PEER_ID_INVALID", "CHARGE_ALREADY_REFUNDED", "NEVER_HEARD_OF", "RANDOM_ID_DUPLICATE"]
)
def test_a_refusal_bears_telegram_s_own_name(name: str) -> None:
    assert name_of(rpc(name)) == name
    assert name in refused(rpc(name)).description


def test_a_flood_is_the_bot_api_s_429() -> None:
    refusal = refused(rpc("FLOOD_WAIT_17", 420))
    assert (refusal.code, refusal.retry_after) == (429, timedelta(seconds=17))
    assert refused(rpc("FLOOD_WAIT_999999", 420)).retry_after == timedelta(hours=1)


def test_trouble_of_telegram_s_own_is_known_by_its_code() -> None:
    assert refused(rpc("RPC_CALL_FAIL", 500)).code == 500
