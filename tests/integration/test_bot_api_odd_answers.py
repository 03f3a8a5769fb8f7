"""The Bot API may refuse, hang, drip, lie or break off: a letter waits or is given up, and the token never shows."""

import json
import logging
import socket
import struct
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from adapters.telegram.bot_api import MAX_ANSWER_BYTES, BotApi, Refused, Unreachable
from adapters.telegram.calls import Call
from adapters.telegram.messenger import BotApiMessenger
from adapters.telegram.texts import Texts
from adapters.telegram.usernames import Usernames
from adapters.telegram.webhook import BotApiWebhook
from application.messages import InvoiceMessage, Letter, Price, Welcome
from application.ports.outbox import Blocked, Sent
from application.ports.outcomes import Rejected, TryLater
from domain.catalog import Method
from domain.errors import ProviderUnavailable
from domain.ids import BotName, InvoiceId, UserId

TOKEN = "7000001:AAE-canary-token-of-the-tests-000000"
MAIN = BotName("main")
LETTER = Letter(bot=MAIN, chat_id=42, language="en", message=Welcome())
GET_ME = Call("getMe", {})
TEXTS = Texts()


def invoice(**changes: Any) -> Letter:
    described: dict[str, Any] = {
        "invoice_id": InvoiceId("inv_" + "a" * 32),
        "user_id": UserId(42),
        "title": "Gold, 1 month",
        "description": "Signals",
        "payload": "t1.gold",
        "price": Price(amount=1250, currency="XTR"),
        "method": Method.STARS,
    }
    return Letter(bot=MAIN, chat_id=42, language="en", message=InvoiceMessage(**described | changes))


@dataclass
class OddServer:
    """Answers every request with `pieces`, a pause before each; keeps what it was sent. One request a connection."""

    pieces: list[bytes] = field(default_factory=list)
    pause_s: float = 0.0
    reset: bool = False
    requests: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def answers(self, status: int, body: bytes | dict[str, Any], *headers: str) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(content)}", "Connection: close", *headers]
        self.pieces = ["\r\n".join(lines).encode() + b"\r\n\r\n" + content]

    def refuses(self, code: int, description: str, **parameters: int) -> None:
        body: dict[str, Any] = {"ok": False, "error_code": code, "description": description}
        self.answers(code, body | ({"parameters": parameters} if parameters else {}))

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            try:
                self.requests.append(_request(connection))
                for piece in self.pieces:
                    time.sleep(self.pause_s)
                    connection.sendall(piece)
                if self.reset:
                    # Closed without linger: the other side sees a reset.
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            except OSError:
                return


def _request(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@pytest.fixture
def server() -> Iterator[OddServer]:
    server = OddServer()
    yield server
    server.close()


@pytest.fixture
def bot(server: OddServer) -> Iterator[BotApi]:
    bot = BotApi(TOKEN, base=server.url, whole_call_s=1.0)
    yield bot
    bot.close()


@pytest.fixture
def messenger(bot: BotApi) -> BotApiMessenger:
    return BotApiMessenger({MAIN: bot}, TEXTS, Usernames({MAIN: bot}))


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


# What Telegram says


def test_a_letter_that_was_taken_is_sent_with_telegrams_message_id(
    server: OddServer, messenger: BotApiMessenger
) -> None:
    server.answers(200, {"ok": True, "result": {"message_id": 17, "date": 1}})
    assert messenger.send(LETTER) == Sent(message_id=17)
    (request,) = server.requests
    assert request.startswith(f"POST /bot{TOKEN}/sendMessage HTTP/1.1\r\n".encode())
    assert json.loads(request.partition(b"\r\n\r\n")[2])["chat_id"] == 42


@pytest.mark.parametrize("result", [None, True, {}, {"message_id": "17"}, {"message_id": True}, []], ids=str)
def test_a_letter_that_was_taken_is_never_sent_again_whatever_the_answer_says(
    server: OddServer, messenger: BotApiMessenger, result: Any
) -> None:
    server.answers(200, {"ok": True, "result": result})
    assert messenger.send(LETTER) == Sent(message_id=0)


@pytest.mark.parametrize(
    ("code", "description"),
    [
        (403, "Forbidden: bot was blocked by the user"),
        (403, "Forbidden: user is deactivated"),
        (403, "Forbidden: bot can't initiate conversation with a user"),
        (403, "Forbidden: bot was kicked from the supergroup chat"),
        (400, "Bad Request: chat not found"),
        (400, "Bad Request: USER_IS_BLOCKED"),
        (400, "Bad Request: PEER_ID_INVALID"),
    ],
)
def test_who_does_not_want_to_hear_or_is_not_there_is_not_written_to_again(
    server: OddServer, messenger: BotApiMessenger, code: int, description: str
) -> None:
    server.refuses(code, description)
    assert messenger.send(LETTER) == Blocked(problem=f"{code} {description}")


@pytest.mark.parametrize("asked_s", [1, 35, 3600])
def test_where_telegram_asks_to_wait_the_letter_waits_as_long(
    server: OddServer, messenger: BotApiMessenger, asked_s: int
) -> None:
    server.refuses(429, f"Too Many Requests: retry after {asked_s}", retry_after=asked_s)
    delivery = messenger.send(LETTER)
    assert isinstance(delivery, TryLater)
    assert delivery.after == timedelta(seconds=asked_s)


@pytest.mark.parametrize(("asked_s", "after"), [(0, None), (-5, None), (10**9, timedelta(hours=1))], ids=str)
def test_an_odd_time_to_wait_is_kept_within_reason(
    server: OddServer, messenger: BotApiMessenger, asked_s: int, after: timedelta | None
) -> None:
    server.refuses(429, "Too Many Requests", retry_after=asked_s)
    assert messenger.send(LETTER) == TryLater(problem="429 Too Many Requests", after=after)


@pytest.mark.parametrize(
    "description", ["Bad Request: message text is empty", "Bad Request: BUTTON_DATA_INVALID", "Conflict"]
)
def test_a_letter_that_telegram_finds_wrong_is_given_up(
    server: OddServer, messenger: BotApiMessenger, description: str
) -> None:
    server.refuses(400, description)
    assert messenger.send(LETTER) == Rejected(problem=f"400 {description}")


@pytest.mark.parametrize("code", [401, 404])
def test_a_token_that_was_revoked_is_told_loudly_and_the_letter_waits(
    server: OddServer, messenger: BotApiMessenger, code: int
) -> None:
    server.refuses(code, "Unauthorized")
    delivery = messenger.send(LETTER)
    assert isinstance(delivery, TryLater)
    assert "does not know the token of bot 'main'" in delivery.problem


# When there is no answer, or none of the Bot API


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        pytest.param(500, {"ok": False, "error_code": 500, "description": "Internal"}, [], id="500"),
        pytest.param(502, b"<html>Bad Gateway</html>", [], id="502 from a gateway"),
        pytest.param(503, b"", [], id="503 and nothing"),
        pytest.param(200, b"", [], id="200 and nothing"),
        pytest.param(200, b"hello", [], id="no JSON"),
        pytest.param(200, b"[]", [], id="an array"),
        pytest.param(200, b'{"ok": "true"}', [], id="ok as text"),
        pytest.param(200, b'{"ok": true, "result": \xff}', [], id="invalid UTF-8"),
        pytest.param(200, b'{"ok": true, "result": ' + b"[" * 100_000, [], id="too deep"),
        pytest.param(200, b'{"ok": true, "result": 1}' + b" " * MAX_ANSWER_BYTES, [], id="larger than any answer"),
        pytest.param(200, b"\x1f\x8b\x08", ["Content-Encoding: gzip"], id="compressed"),
        pytest.param(302, b"", ["Location: http://127.0.0.1:1/elsewhere"], id="sent elsewhere"),
        pytest.param(500, {"ok": True, "result": {"message_id": 1}}, [], id="yes and no"),
    ],
)
def test_what_is_no_answer_of_the_bot_api_makes_the_letter_wait(
    server: OddServer, messenger: BotApiMessenger, status: int, body: bytes | dict[str, Any], headers: list[str]
) -> None:
    server.answers(status, body, *headers)
    assert isinstance(messenger.send(LETTER), TryLater)
    assert len(server.requests) == 1


def test_a_broken_connection_makes_the_letter_wait(server: OddServer, messenger: BotApiMessenger) -> None:
    server.reset = True
    assert isinstance(messenger.send(LETTER), TryLater)
    server.pieces = [b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"]
    assert isinstance(messenger.send(LETTER), TryLater)
    server.pieces = [b"no HTTP at all\r\n\r\n"]
    assert isinstance(messenger.send(LETTER), TryLater)


def test_silence_ends(server: OddServer, messenger: BotApiMessenger) -> None:
    server.pieces, server.pause_s = [b"HTTP/1.1 200 OK\r\n"], 30
    started = time.monotonic()
    delivery = messenger.send(LETTER)
    assert isinstance(delivery, TryLater)
    assert "in time" in delivery.problem
    assert time.monotonic() - started < 5


def test_an_answer_byte_by_byte_ends_too(server: OddServer, messenger: BotApiMessenger) -> None:
    server.pieces, server.pause_s = [b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", *[b"{"] * 500], 0.05
    started = time.monotonic()
    delivery = messenger.send(LETTER)
    assert isinstance(delivery, TryLater)
    assert "no whole answer" in delivery.problem
    assert time.monotonic() - started < 5


def test_nobody_at_home_makes_the_letter_wait() -> None:
    bot = BotApi(TOKEN, base=free_address())
    assert isinstance(BotApiMessenger({MAIN: bot}, TEXTS, Usernames({})).send(LETTER), TryLater)


def test_an_address_that_is_none_makes_the_letter_wait() -> None:
    bot = BotApi(TOKEN, base="http://[")
    assert isinstance(BotApiMessenger({MAIN: bot}, TEXTS, Usernames({})).send(LETTER), TryLater)


def test_a_letter_of_a_bot_without_token_waits_until_it_has_one(messenger: BotApiMessenger) -> None:
    delivery = messenger.send(Letter(bot=BotName("club"), chat_id=42, language="en", message=Welcome()))
    assert isinstance(delivery, TryLater)
    assert "'club'" in delivery.problem


# What is never sent at all


@pytest.mark.parametrize(
    ("letter", "what"),
    [
        pytest.param(invoice(title="x" * 33), "title", id="long title"),
        pytest.param(invoice(payload="p" * 129), "payload", id="long payload"),
        pytest.param(invoice(price=Price(amount=0, currency="XTR")), "amount", id="for nothing"),
        pytest.param(invoice(price=Price(amount=1, currency="ZZZ")), "currency", id="unknown currency"),
        pytest.param(
            invoice(price=Price(amount=1, currency="GBP"), method=Method.TELEGRAM), "provider_token", id="no provider"
        ),
        pytest.param(invoice(price=Price(amount=1, currency="GBP"), method=Method.STRIPE), "Stripe", id="Stripe's"),
        pytest.param(invoice(description="\ud800"), "surrogates", id="half a surrogate pair"),
    ],
)
def test_what_telegram_would_not_take_is_rejected_without_asking(
    server: OddServer, messenger: BotApiMessenger, letter: Letter, what: str
) -> None:
    delivery = messenger.send(letter)
    assert isinstance(delivery, Rejected)
    assert what in delivery.problem
    assert server.requests == []
    with pytest.raises(ProviderUnavailable, match=what):
        messenger.invoice_link(letter)


# Links


def test_a_link_is_what_telegram_gives(server: OddServer, messenger: BotApiMessenger) -> None:
    server.answers(200, {"ok": True, "result": "https://t.me/$abc"})
    assert messenger.invoice_link(invoice()) == "https://t.me/$abc"
    sent = json.loads(server.requests[0].partition(b"\r\n\r\n")[2])
    assert sent["provider_token"] == ""
    assert not {"chat_id", "reply_markup", "start_parameter"} & sent.keys()


@pytest.mark.parametrize("result", [None, True, "", "javascript:alert(1)", {"url": "https://t.me"}], ids=str)
def test_a_link_that_is_none_is_not_passed_on(server: OddServer, messenger: BotApiMessenger, result: Any) -> None:
    server.answers(200, {"ok": True, "result": result})
    with pytest.raises(ProviderUnavailable):
        messenger.invoice_link(invoice())


def test_no_link_is_told_as_the_providers_fault(server: OddServer, messenger: BotApiMessenger) -> None:
    server.refuses(400, "Bad Request: PAYMENT_PROVIDER_INVALID")
    with pytest.raises(ProviderUnavailable, match="PAYMENT_PROVIDER_INVALID"):
        messenger.invoice_link(invoice())
    with pytest.raises(ProviderUnavailable, match="club"):
        messenger.invoice_link(Letter(bot=BotName("club"), chat_id=42, language="en", message=invoice().message))


# Names and webhooks


def test_a_username_that_could_not_be_learnt_is_asked_for_again(server: OddServer, bot: BotApi) -> None:
    usernames = Usernames({MAIN: bot})
    server.refuses(500, "Internal")
    assert "500" in usernames.learn()[MAIN]
    server.answers(200, {"ok": True, "result": {"id": 1}})
    assert MAIN in usernames.learn()
    server.answers(200, {"ok": True, "result": True})
    assert MAIN in usernames.learn()
    assert usernames.of(MAIN) is None
    server.answers(200, {"ok": True, "result": {"id": 1, "username": "shop_bot"}})
    assert usernames.learn() == {}
    assert usernames.of(MAIN) == "shop_bot"
    assert usernames.learn() == {}
    assert len(server.requests) == 4


def test_an_answer_about_the_webhook_that_is_none_is_no_answer(server: OddServer, bot: BotApi) -> None:
    server.answers(200, {"ok": True, "result": {"url": 5}})
    with pytest.raises(Unreachable):
        BotApiWebhook(bot).info()


# The token


@pytest.mark.threat(34)
def test_the_token_shows_in_no_problem_error_trace_name_or_log(
    server: OddServer, bot: BotApi, messenger: BotApiMessenger, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("httpx").setLevel(logging.DEBUG)  # somebody who sets levels after us
    secretive = BotApiMessenger({MAIN: bot}, TEXTS, Usernames({MAIN: bot}), provider_token="canary-token-of-a-provider")
    shown: list[str] = [repr(bot), str(bot), repr(messenger), repr(secretive), repr(BotApiWebhook(bot))]
    pounds = invoice(price=Price(amount=1, currency="GBP"), method=Method.TELEGRAM)
    situations: list[Callable[[], None]] = [
        lambda: server.refuses(400, f"Bad Request: cannot parse /bot{TOKEN}/sendMessage"),
        lambda: server.refuses(401, "Unauthorized"),
        lambda: server.answers(200, b"<html>"),
        lambda: server.answers(302, b"", f"Location: {server.url}/bot{TOKEN}/x"),
        lambda: setattr(server, "reset", True),
        server.close,
    ]
    for situation in situations:
        situation()
        shown.append(str(messenger.send(LETTER)))
        shown.append(str(secretive.send(pounds)))
        for act in (lambda: bot.call(GET_ME), lambda: secretive.invoice_link(pounds)):
            with pytest.raises((Refused, Unreachable, ProviderUnavailable)) as raised:
                act()
            error: BaseException | None = raised.value
            while error is not None:
                # As a log would that writes every local beside its line.
                trace = traceback.TracebackException.from_exception(error, capture_locals=True)
                ours = [frame for frame in trace.stack if "adapters" in frame.filename]
                assert ours or error is not raised.value
                shown += [str(error), repr([(frame.line, frame.locals) for frame in ours])]
                error = error.__context__
    assert len(shown) > 4 * len(situations)
    assert "canary-token" not in "\n".join([*shown, caplog.text])


@pytest.mark.threat(34)
@pytest.mark.parametrize(
    "token", ["", "canary", "canary:canary", "7:", "7:ca/nary", "7:canary\n", "7:canary/../x"], ids=ascii
)
def test_what_can_be_no_token_is_refused_without_being_quoted(token: str) -> None:
    with pytest.raises(ValueError, match="a bot token is") as refusal:
        BotApi(token)
    assert "canary" not in str(refusal.value)


@pytest.mark.threat(33)
def test_a_refusal_in_many_lines_is_told_on_one_and_cut(server: OddServer, bot: BotApi) -> None:
    server.refuses(400, "Bad Request:\nfirst\r\n\u2028second\x1b[31m" + "x" * 1000)
    with pytest.raises(Refused) as refusal:
        bot.call(GET_ME)
    assert str(refusal.value).isascii()
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 310
