"""What the webhook answers is one call of our own words; what came in never goes out again."""

import json

import pytest

from adapters.telegram.replies import Replies
from adapters.telegram.texts import Texts
from application.chat import Toast
from domain.invoice import Objection

REPLIES = Replies(Texts())


@pytest.mark.criterion("2.7")
def test_a_yes_says_nothing_else() -> None:
    assert json.loads(REPLIES.pre_checkout("-123", None, "en")) == {
        "method": "answerPreCheckoutQuery",
        "pre_checkout_query_id": "-123",
        "ok": True,
    }


@pytest.mark.criterion("2.8")
@pytest.mark.parametrize("objection", Objection)
def test_a_no_says_in_words_why_and_that_nothing_was_charged(objection: Objection) -> None:
    reply = json.loads(REPLIES.pre_checkout("123", objection, "en"))
    assert reply["ok"] is False
    assert "Nothing was charged" in reply["error_message"]
    assert reply["error_message"].count(". ") >= 2  # the reason, what it means, and the way on
    assert len(reply["error_message"]) <= 200
    assert "!" not in reply["error_message"]
    assert "_" not in reply["error_message"].replace("/", "")


@pytest.mark.parametrize("toast", [toast for toast in Toast if toast is not Toast.DONE])
def test_a_press_is_answered_in_a_few_words(toast: Toast) -> None:
    reply = json.loads(REPLIES.callback("77", toast, "en"))
    assert reply["method"] == "answerCallbackQuery"
    assert reply["callback_query_id"] == "77"
    assert 0 < len(reply["text"]) <= 200


def test_a_press_that_is_done_needs_no_words() -> None:
    assert json.loads(REPLIES.callback("77", Toast.DONE, "en")) == {
        "method": "answerCallbackQuery",
        "callback_query_id": "77",
    }


@pytest.mark.threat(43)
@pytest.mark.parametrize("id", ["", "abc", "1 2", '1", "ok": true, "x": "', "1\n", "٣", "1" * 21], ids=ascii)
def test_an_id_that_is_not_digits_is_never_echoed(id: str) -> None:
    with pytest.raises(ValueError, match="digits"):
        REPLIES.pre_checkout(id, None, "en")
    with pytest.raises(ValueError, match="digits"):
        REPLIES.callback(id, Toast.DONE, "en")


@pytest.mark.threat(43)
def test_a_language_is_only_looked_up_and_never_echoed() -> None:
    assert b"xx-canary" not in REPLIES.pre_checkout("1", Objection.DISABLED, "xx-canary")
