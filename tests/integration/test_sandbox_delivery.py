"""Updates reach a webhook in Telegram's order, with Telegram's patience."""

import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest

from tests.integration.sandbox_server import BOT_TOKEN, Json, Reply, SandboxServer, WebhookReceiver

ADA, BOB = 1001, 1002
TIME_SCALE = 0.01
TIMER_S = 0.2  # the event loop's timers are exact to a millisecond or two: so much of Telegram's time


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(time_scale=TIME_SCALE, quiet_s=0.02) as server:
        yield server


@pytest.fixture
def receiver() -> Iterator[WebhookReceiver]:
    with WebhookReceiver() as receiver:
        yield receiver


@pytest.fixture
def telegram(server: SandboxServer, receiver: WebhookReceiver) -> SandboxServer:
    server.call("deleteWebhook", {"drop_pending_updates": True})
    server.reset()
    server.set_webhook(receiver.url, allowed_updates=[])
    return server


class FailFirst:
    """Answers so often with this reply, and then with 200."""

    def __init__(self, times: int, reply: Reply) -> None:
        self.left, self.reply, self.lock = times, reply, threading.Lock()

    def __call__(self, update: Json) -> Reply:
        with self.lock:
            self.left -= 1
            return self.reply if self.left >= 0 else Reply()


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def texts(receiver: WebhookReceiver) -> list[str]:
    return [update["message"]["text"] for update in receiver.updates("message")]


def test_a_message_arrives_with_the_secret_and_a_growing_update_id(
    telegram: SandboxServer, receiver: WebhookReceiver
) -> None:
    telegram.say(ADA, "/start")
    telegram.say(ADA, "/buy")
    telegram.wait_idle()
    first, second = receiver.received
    assert first.headers["X-Telegram-Bot-Api-Secret-Token"] == "a-secret"
    assert first.headers["Content-Type"] == "application/json"
    assert second.update["update_id"] == first.update["update_id"] + 1
    assert first.update["message"]["entities"] == [{"type": "bot_command", "offset": 0, "length": 6}]
    assert first.update["message"]["chat"]["type"] == "private"


@pytest.mark.parametrize("status", [400, 401, 404, 500, 503, 302])
def test_everything_but_a_2xx_is_delivered_again(
    telegram: SandboxServer, receiver: WebhookReceiver, status: int
) -> None:
    receiver.answer = FailFirst(2, Reply(status=status))
    telegram.say(ADA, "hello")
    telegram.wait_idle()
    assert texts(receiver) == ["hello"] * 3
    (update,) = telegram.updates()
    assert [attempt["status"] for attempt in update["attempts"]] == [status, status, 200]
    assert update["state"] == "delivered"


def test_it_waits_nothing_then_two_four_and_eight_seconds_between_attempts(
    telegram: SandboxServer, receiver: WebhookReceiver
) -> None:
    receiver.answer = FailFirst(5, Reply(status=503))
    telegram.say(ADA, "hello")
    telegram.wait_idle()
    at = [one.at for one in receiver.received]
    waited = [(after - before) / TIME_SCALE for before, after in pairwise(at)]
    assert len(waited) == 5
    for seconds, least in zip(waited, [0, 2, 4, 8, 16], strict=True):
        assert seconds >= least - TIMER_S
    assert waited[0] < waited[4]


def test_retry_after_is_honoured(telegram: SandboxServer, receiver: WebhookReceiver) -> None:
    receiver.answer = FailFirst(1, Reply(status=503, headers={"Retry-After": "30"}))
    telegram.say(ADA, "hello")
    telegram.wait_idle()
    first, second = receiver.received
    assert (second.at - first.at) / TIME_SCALE >= 30 - TIMER_S


def test_the_head_of_a_chat_blocks_that_chat_and_no_other(telegram: SandboxServer, receiver: WebhookReceiver) -> None:
    gate = threading.Event()

    def answer(update: Json) -> Reply:
        return Reply() if gate.is_set() or update["message"]["from"]["id"] == BOB else Reply(status=503)

    receiver.answer = answer
    telegram.say(ADA, "first")
    telegram.say(ADA, "second")
    telegram.say(BOB, "other")
    time.sleep(0.3)
    assert "second" not in texts(receiver)
    assert "other" in texts(receiver)
    gate.set()
    telegram.wait_idle()
    assert [text for text in texts(receiver) if text != "other"][-2:] == ["first", "second"]


def test_no_more_than_max_connections_are_open_at_once(telegram: SandboxServer, receiver: WebhookReceiver) -> None:
    telegram.set_webhook(receiver.url, max_connections=3)
    open_now, most, lock = 0, 0, threading.Lock()

    def answer(update: Json) -> Reply:
        nonlocal open_now, most
        with lock:
            open_now += 1
            most = max(most, open_now)
        time.sleep(0.02)
        with lock:
            open_now -= 1
        return Reply()

    receiver.answer = answer
    for user in range(2000, 2012):
        telegram.say(user, "hello")
    telegram.wait_idle()
    assert most == 3


def test_a_query_expires_after_its_150_seconds_and_frees_its_queue(
    telegram: SandboxServer, receiver: WebhookReceiver
) -> None:
    telegram.create_user("Ada", id=ADA, started=True)
    message = telegram.call("sendMessage", {"chat_id": ADA, "text": "x"})["result"]
    receiver.answer = lambda update: Reply(status=503)
    telegram.press(ADA, message["message_id"], data="late")
    telegram.wait_idle(timeout_s=10)
    (update,) = telegram.updates("callback_query")
    assert update["state"] == "expired"
    assert telegram.call("getWebhookInfo")["result"]["pending_update_count"] == 0


def test_updates_wait_until_a_webhook_is_set(telegram: SandboxServer, receiver: WebhookReceiver) -> None:
    telegram.call("deleteWebhook")
    telegram.say(ADA, "early")
    assert telegram.call("getWebhookInfo")["result"]["pending_update_count"] == 1
    telegram.set_webhook(receiver.url)
    telegram.wait_idle()
    assert texts(receiver) == ["early"]


def test_drop_pending_updates_drops_them(telegram: SandboxServer, receiver: WebhookReceiver) -> None:
    telegram.call("deleteWebhook")
    telegram.say(ADA, "early")
    telegram.set_webhook(receiver.url, drop_pending_updates=True)
    telegram.wait_idle()
    assert receiver.received == []
    assert telegram.updates()[0]["state"] == "dropped"


def test_kinds_left_out_of_allowed_updates_are_gone(telegram: SandboxServer, receiver: WebhookReceiver) -> None:
    telegram.set_webhook(receiver.url, allowed_updates=["callback_query"])
    assert telegram.say(ADA, "hello")["update_id"] is None
    telegram.set_webhook(receiver.url, allowed_updates=["message"])
    telegram.wait_idle()
    assert receiver.received == []


def test_the_kinds_that_were_asked_for_outlive_the_webhook(telegram: SandboxServer, receiver: WebhookReceiver) -> None:
    telegram.set_webhook(receiver.url, allowed_updates=["callback_query"])
    telegram.call("deleteWebhook")
    assert telegram.call("getWebhookInfo")["result"]["allowed_updates"] == ["callback_query"]
    assert telegram.say(ADA, "hello")["update_id"] is None
    telegram.set_webhook(receiver.url)
    assert telegram.say(ADA, "hello")["update_id"] is None


def test_to_set_the_same_webhook_again_changes_nothing_but_the_kinds(
    telegram: SandboxServer, receiver: WebhookReceiver
) -> None:
    receiver.answer = lambda update: Reply(status=503, headers={"Retry-After": "3600"})
    telegram.say(ADA, "hello")
    until(lambda: "last_error_date" in telegram.call("getWebhookInfo")["result"])
    telegram.set_webhook(receiver.url, allowed_updates=["message"])
    time.sleep(0.1)
    info = telegram.call("getWebhookInfo")["result"]
    assert texts(receiver) == ["hello"]
    assert info["last_error_message"] == "Wrong response from the webhook: 503 Service Unavailable"
    assert info["allowed_updates"] == ["message"]
    receiver.answer = lambda update: Reply()
    telegram.set_webhook(receiver.url, secret="another")
    telegram.wait_idle()
    assert texts(receiver) == ["hello"] * 2
    assert "last_error_date" not in telegram.call("getWebhookInfo")["result"]


def test_who_answers_nothing_but_410_for_23_hours_has_no_webhook_any_more(receiver: WebhookReceiver) -> None:
    statuses = {"gone": 410, "away": 503}
    receiver.answer = lambda update: Reply(status=statuses[update["message"]["text"]])
    hours_s = 3600 * 1e-5
    with SandboxServer(time_scale=1e-5, quiet_s=0.02) as telegram:
        telegram.set_webhook(receiver.url)
        began = time.monotonic()
        while time.monotonic() - began < 30 * hours_s:
            telegram.say(ADA, "gone")
            telegram.say(BOB, "away")
            time.sleep(hours_s)
        assert telegram.call("getWebhookInfo")["result"]["url"] == receiver.url
        began = time.monotonic()
        until(lambda: telegram.say(ADA, "gone") and not telegram.call("getWebhookInfo")["result"]["url"])
        assert time.monotonic() - began > 20 * hours_s
        info = telegram.call("getWebhookInfo")["result"]
        assert info["pending_update_count"] > 0
        assert "last_error_date" not in info


def test_the_webhooks_last_error_is_told(telegram: SandboxServer, receiver: WebhookReceiver) -> None:
    receiver.answer = FailFirst(1, Reply(status=500))
    telegram.say(ADA, "hello")
    telegram.wait_idle()
    info = telegram.call("getWebhookInfo")["result"]
    assert info["last_error_message"] == "Wrong response from the webhook: 500 Internal Server Error"


def test_a_service_that_is_not_there_is_tried_again_until_it_is(telegram: SandboxServer) -> None:
    with WebhookReceiver() as gone:
        url = gone.url
    telegram.set_webhook(url)
    telegram.say(ADA, "hello")
    time.sleep(0.1)
    assert telegram.call("getWebhookInfo")["result"]["last_error_message"] == "Connection refused"
    with WebhookReceiver() as receiver:
        telegram.set_webhook(receiver.url)
        telegram.wait_idle()
        assert texts(receiver) == ["hello"]


def test_a_call_in_the_answer_is_executed_but_not_one_that_asks_or_moves_the_webhook(
    telegram: SandboxServer, receiver: WebhookReceiver
) -> None:
    calls = {
        "say": {"method": "sendMessage", "chat_id": ADA, "text": "said in the answer"},
        "ask": {"method": "getMe"},
        "move": {"method": "setWebhook", "url": ""},
    }
    receiver.answer = lambda update: Reply(body=calls[update["message"]["text"]])
    for text in calls:
        telegram.say(ADA, text)
    telegram.wait_idle()
    assert [call["method"] for call in telegram.calls(via="reply")] == ["sendMessage"]
    assert telegram.last_text(ADA) == "said in the answer"


def test_an_answer_that_does_not_say_it_is_json_is_no_call(telegram: SandboxServer, receiver: WebhookReceiver) -> None:
    body = {"method": "sendMessage", "chat_id": ADA, "text": "said in the answer"}
    receiver.answer = lambda update: Reply(body=body, headers={"Content-Type": "text/plain"})
    telegram.say(ADA, "hello")
    telegram.wait_idle()
    assert telegram.updates()[0]["state"] == "delivered"
    assert telegram.calls(via="reply") == []


@pytest.mark.parametrize("concurrent", [False, True])
def test_an_update_is_delivered_again_on_demand(
    telegram: SandboxServer, receiver: WebhookReceiver, concurrent: bool
) -> None:
    update_id = telegram.say(ADA, "hello")["update_id"]
    telegram.wait_idle()
    deliveries = telegram.redeliver(update_id, times=4, concurrent=concurrent)
    assert [delivery.status for delivery in deliveries] == [200] * 4
    assert [update["update_id"] for update in receiver.updates()] == [update_id] * 5


def test_any_bytes_can_be_injected_with_the_real_secret_or_another(
    telegram: SandboxServer, receiver: WebhookReceiver
) -> None:
    telegram.inject(raw=b"\xff not json")
    telegram.inject({"update_id": 5, "of the future": {}}, secret="wrong")
    telegram.inject({"message": {"text": "x"}}, secret="")
    nonsense, future, numbered = receiver.received
    assert (nonsense.body, nonsense.headers["X-Telegram-Bot-Api-Secret-Token"]) == (b"\xff not json", "a-secret")
    assert (future.update["update_id"], future.headers["X-Telegram-Bot-Api-Secret-Token"]) == (5, "wrong")
    assert numbered.update["update_id"] > 0
    assert "X-Telegram-Bot-Api-Secret-Token" not in numbered.headers


def test_update_ids_can_start_anew(telegram: SandboxServer) -> None:
    before = telegram.say(ADA, "one")["update_id"]
    telegram.start_update_ids_anew()
    assert telegram.say(ADA, "two")["update_id"] != before + 1


def test_in_a_group_a_bot_is_told_of_commands_and_mentions_only(telegram: SandboxServer) -> None:
    group = -1001
    assert telegram.say(ADA, "just talking", chat_id=group)["update_id"] is None
    assert telegram.say(ADA, "/buy@other_bot", chat_id=group)["update_id"] is None
    assert telegram.say(ADA, "/buy@sandbox_bot", chat_id=group)["update_id"] is not None
    assert telegram.say(ADA, "hey @sandbox_bot", chat_id=group)["update_id"] is not None
    assert telegram.say(ADA, "just talking", chat_id=group, bot_sees_all=True)["update_id"] is not None


@pytest.mark.parametrize(
    ("kind", "update_kind", "mark"),
    [
        ("forwarded", "message", "forward_origin"),
        ("business", "business_message", "business_connection_id"),
        ("channel", "channel_post", "sender_chat"),
    ],
)
def test_texts_come_in_every_disguise(
    telegram: SandboxServer, receiver: WebhookReceiver, kind: str, update_kind: str, mark: str
) -> None:
    telegram.say(ADA, "hello", kind=kind)  # type: ignore[arg-type]  # a parameter of the test
    telegram.wait_idle()
    (update,) = receiver.updates()
    assert mark in update[update_kind]


def test_an_edit_is_an_update_of_its_own(telegram: SandboxServer, receiver: WebhookReceiver) -> None:
    message_id = telegram.say(ADA, "one")["message_id"]
    telegram.say(ADA, "two", kind="edited", message_id=message_id)
    telegram.wait_idle()
    assert receiver.updates("edited_message")[0]["edited_message"]["message_id"] == message_id


def test_blocking_and_unblocking_are_told(telegram: SandboxServer, receiver: WebhookReceiver) -> None:
    telegram.say(ADA, "/start")
    telegram.block(ADA)
    telegram.unblock(ADA)
    telegram.wait_idle()
    changes = [update["my_chat_member"]["new_chat_member"]["status"] for update in receiver.updates("my_chat_member")]
    assert changes == ["kicked", "member"]


def test_each_bot_has_its_own_webhook_and_secret(telegram: SandboxServer, receiver: WebhookReceiver) -> None:
    other_token = "7000002:" + "y" * 35
    with WebhookReceiver() as other:
        telegram.set_webhook(other.url, secret="other-secret", token=other_token)
        telegram.say(ADA, "to the first", bot=int(BOT_TOKEN.split(":")[0]))
        telegram.say(ADA, "to the second", bot=7000002)
        telegram.wait_idle()
        telegram.call("deleteWebhook", token=other_token)
        assert (texts(receiver), texts(other)) == (["to the first"], ["to the second"])
        assert other.received[0].headers["X-Telegram-Bot-Api-Secret-Token"] == "other-secret"
