"""A Telegram for integration tests: the sandbox on a port of its own, and a small client for it.

    with SandboxServer() as telegram:
        ...                                   # point the service at telegram.url and let it call setWebhook
        ada = telegram.create_user("Ada")
        telegram.say(ada, "/buy gold_1m")
        telegram.wait_idle()
        invoice = telegram.last_invoice(ada)
        outcome = telegram.pay(ada, invoice["message_id"])
        assert outcome.status == "paid"
        telegram.wait_idle()
        assert "Gold" in telegram.last_text(ada)

Its Stripe is `telegram.stripe`: see `SandboxStripe`.

It runs in a daemon thread of the test's process, speaks HTTP only, and shares no code with the service.
Whatever waits in Telegram is `time_scale` times as long, so back-off takes hundredths of a second here.
Where several bots share one sandbox, name the bot by its id or username with `bot=`.
"""

import base64
import json
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self

import httpx

from entrypoints.sandbox.app import server
from entrypoints.sandbox.options import Options

BOT_TOKEN = "7000001:AAE-sandbox-token-of-the-first-bot-00"
STRIPE_SECRET_KEY = "sk_test_" + "sandbox" * 3
STRIPE_LIVE_KEY = "sk_live_" + "sandbox" * 3
STRIPE_WEBHOOK_SECRET = "whsec_" + "sandbox" * 4
START_TIMEOUT_S = 60.0

Json = dict[str, Any]
Who = int | Mapping[str, Any]
"""A user id, or a user as `create_user` returned it."""
BotName = int | str | None
SayKind = Literal["message", "forwarded", "edited", "business", "channel"]
ArriveAs = Literal["message", "edited_message", "forwarded", "business_message", "channel_post"]
ForgeAt = Literal["both", "pre_checkout", "payment"]
Outcome = Literal["succeeded", "failed"]
DisputeStep = Literal["open", "inquiry", "withdraw", "escalate", "answer", "win", "lose", "close"]
Signature = Literal["good", "bad", "old", "future", "none", "other_scheme", "tampered"]


class SandboxError(Exception):
    """The control API refused; the text is its reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentOutcome:
    """`status` is paid, refused (with `error_message`), timeout (the bot did not answer), or started (not waited)."""

    status: str
    charge_id: str | None = None
    error_message: str = ""
    update_id: int | None = None
    pre_checkout_query_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What the webhook answered to one POST. `status` is None where it did not answer."""

    status: int | None
    body: str
    error: str
    duration_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CardOutcome:
    """`status` is paid, declined (with `error_message`), processing, or how a late payment ended: succeeded, failed."""

    status: str
    session_id: str
    payment_intent: str
    charge: str
    redirect: str | None = None
    """Where the card page sends the buyer; None where it keeps them."""
    error_message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One POST as a webhook got it."""

    body: bytes
    headers: Mapping[str, str]
    at: float

    @property
    def update(self) -> Json:
        update: Json = json.loads(self.body)
        return update


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a webhook answers; `after_s` is how long it thinks."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    after_s: float = 0.0


class WebhookReceiver:
    """A bot's webhook for tests of the sandbox itself: keeps what comes, answers what it is told to.

    `answer` may be replaced by any function from an update to a `Reply`; `approve` and `refuse` are two.
    """

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answer: Callable[[Json], Reply] = self.approve
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # one packet an answer, or delayed acknowledgements cost 40 ms each

            def log_message(self, format: str, *args: Any) -> None:
                """Says nothing."""

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                received = Received(body=body, headers=dict(self.headers), at=time.monotonic())
                receiver.received.append(received)
                try:
                    reply = receiver.answer(received.update)
                except ValueError:
                    reply = Reply(status=400)
                time.sleep(reply.after_s)
                content = json.dumps(reply.body if reply.body is not None else {}).encode()
                self.send_response(reply.status)
                for name, value in ({"Content-Type": "application/json"} | dict(reply.headers)).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/webhook"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @staticmethod
    def approve(update: Json) -> Reply:
        """Says yes to every pre-checkout, in the answer itself."""
        return _judge(update, ok=True)

    @staticmethod
    def refuse(update: Json) -> Reply:
        return _judge(update, ok=False, error_message="Not today")

    def updates(self, kind: str = "") -> list[Json]:
        return [one.update for one in self.received if not kind or kind in one.update]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class SandboxServer:
    """See the module. Every keyword is a field of `entrypoints.sandbox.options.Options`."""

    def __init__(
        self,
        *,
        time_scale: float = 0.01,
        pre_checkout_deadline_s: float = 10.0,
        webhook_timeout_s: float | None = None,
        tokens: Sequence[str] = (),
        messages_per_second: float = 30.0,
        chat_messages_per_second: float = 1.0,
        chat_burst: int = 5,
        demo: bool = False,
        service_url: str = "",
        service_token: str = "",
        service_features: Sequence[str] = (),
        stripe_webhook_url: str = "",
        stripe_webhook_secret: str = STRIPE_WEBHOOK_SECRET,
        mtproto_port: int | None = None,
        mtproto_key_path: str = "",
        quiet_s: float = 0.15,
        port: int = 0,
    ) -> None:
        self._options: dict[str, Any] = {
            "time_scale": time_scale,
            "pre_checkout_deadline_s": pre_checkout_deadline_s,
            "webhook_timeout_s": webhook_timeout_s,
            "tokens": tuple(tokens),
            "messages_per_second": messages_per_second,
            "chat_messages_per_second": chat_messages_per_second,
            "chat_burst": chat_burst,
            "demo": demo,
            "service_url": service_url,
            "service_token": service_token,
            "service_features": tuple(service_features),
            "stripe_webhook_url": stripe_webhook_url,
            "stripe_webhook_secret": stripe_webhook_secret,
            "mtproto_port": mtproto_port,
            "mtproto_key_path": mtproto_key_path,
        }
        self.stripe = SandboxStripe(self)
        self._quiet_s = quiet_s
        self._port = port
        self.url = ""

    # Starting and stopping

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> Self:
        # Bound here, so that the address is known before the first request and nobody else can take the port.
        listener = socket.create_server(("127.0.0.1", self._port))
        self._port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self._server = server(Options(public_url=self.url, **self._options), port=self._port)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name="sandbox", daemon=True
        )
        self._thread.start()
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._server.started:
            if time.monotonic() > deadline or not self._thread.is_alive():
                raise SandboxError("the sandbox did not start")
            time.sleep(0.005)
        self._http = httpx.Client(base_url=self.url, trust_env=False, timeout=120.0)
        return self

    def stop(self) -> None:
        self._http.close()
        self._server.should_exit = True
        self._thread.join(timeout=10)

    # People

    def create_user(
        self,
        first_name: str | None = None,
        *,
        id: int | None = None,
        last_name: str = "",
        username: str = "",
        language_code: str = "en",
        is_premium: bool = False,
        stars: int = 1_000_000,
        started: bool = False,
    ) -> Json:
        """A person; `started` lets every bot that is already known write to them first."""
        body = {
            "id": id,
            "first_name": first_name,
            "last_name": last_name,
            "username": username,
            "language_code": language_code,
            "is_premium": is_premium,
            "stars": stars,
            "started": started,
        }
        return self._send("POST", "/users", body)

    def users(self) -> list[Json]:
        return list(self._get("/users"))

    def change_user(self, user: Who, **changes: Any) -> Json:
        """Any of blocked, started, stars, first_name, last_name, language_code, bot."""
        return self._send("PATCH", f"/users/{_id(user)}", changes)

    def block(self, user: Who, *, bot: BotName = None) -> None:
        """The user blocks the bot: it is told by my_chat_member, and may write no more (403)."""
        self.change_user(user, blocked=True, bot=bot)

    def unblock(self, user: Who, *, bot: BotName = None) -> None:
        self.change_user(user, blocked=False, bot=bot)

    def init_data(
        self,
        user: Who,
        *,
        auth_date: int | None = None,
        start_param: str | None = None,
        extra: Mapping[str, str] | None = None,
        bot: BotName = None,
    ) -> str:
        """A Mini App's initData, signed with the bot's token; for `Authorization: tma …`."""
        body = {
            "user_id": _id(user),
            "auth_date": auth_date,
            "start_param": start_param,
            "extra": dict(extra or {}),
            "bot": bot,
        }
        return str(self._send("POST", "/init-data", body)["init_data"])

    # Over MTProto

    @property
    def mtproto_settings(self) -> dict[str, str]:
        """Of a service that speaks MTProto with this Telegram; it must have been given a path for its key."""
        return {
            "TELEGRAM_TRANSPORT": "mtproto",
            "TELEGRAM_API_ID": "1",
            "TELEGRAM_API_HASH": "0123456789abcdef" * 2,
            "TELEGRAM_MTPROTO_SERVER": f"127.0.0.1:{self._get('/mtproto')['port']}",
            "TELEGRAM_MTPROTO_PUBLIC_KEY": self._options["mtproto_key_path"],
        }

    def drop_connections(self, *, refuse_for_s: float = 0.0) -> int:
        """Breaks every connection of MTProto; for so long nobody gets a new one. How many there were."""
        return int(self._send("POST", "/connections/drop", {"refuse_for_s": refuse_for_s})["dropped"])

    def forget_keys(self) -> None:
        """Every bot has to log in over MTProto anew."""
        self._send("POST", "/keys/forget", {})

    # What they do

    def say(
        self,
        user: Who,
        text: str,
        *,
        chat_id: int | None = None,
        kind: SayKind = "message",
        message_id: int | None = None,
        bot_sees_all: bool = False,
        bot: BotName = None,
    ) -> Json:
        """Sends a text; returns {"message_id", "chat_id", "update_id"}.

        A negative `chat_id` is a group, where the bot is only told of commands and mentions unless
        `bot_sees_all`. `kind` "edited" edits `message_id`.
        """
        body = {
            "user_id": _id(user),
            "text": text,
            "chat_id": chat_id,
            "kind": kind,
            "message_id": message_id,
            "bot_sees_all": bot_sees_all,
            "bot": bot,
        }
        return self._send("POST", "/say", body)

    def press(
        self,
        user: Who,
        message_id: int,
        text: str | None = None,
        *,
        data: str | None = None,
        chat_id: int | None = None,
        bot: BotName = None,
    ) -> Json:
        """Presses an inline button by its label, or sends any callback `data`, as an odd client can.

        Returns {"callback_query_id", "update_id"}.
        """
        body = {
            "user_id": _id(user),
            "message_id": message_id,
            "text": text,
            "data": data,
            "chat_id": chat_id,
            "bot": bot,
        }
        return self._send("POST", "/press", body)

    def pay(
        self,
        user: Who,
        message_id: int | None = None,
        *,
        link: str | None = None,
        as_user: Who | None = None,
        amount: int | None = None,
        currency: str | None = None,
        payload: str | None = None,
        forge_at: ForgeAt | None = None,
        skip_pre_checkout: bool | None = None,
        wait: bool = True,
        chat_id: int | None = None,
        bot: BotName = None,
    ) -> PaymentOutcome:
        """Presses Pay on the invoice `message_id` of `user`'s chat, or on the invoice of a `link`.

        `as_user` pays it instead. `amount`, `currency` and `payload` differ from the invoice's at the
        pre-checkout, at the payment, or at `both`. Money that moves is in the `ledger`, whatever was forged.
        """
        body = {
            "user_id": _id(user),
            "message_id": message_id,
            "link": link,
            "as_user": None if as_user is None else _id(as_user),
            "amount": amount,
            "currency": currency,
            "payload": payload,
            "forge_at": forge_at,
            "skip_pre_checkout": skip_pre_checkout,
            "wait": wait,
            "chat_id": chat_id,
            "bot": bot,
        }
        return PaymentOutcome(**self._send("POST", "/pay", body))

    def refund(self, charge_id: str) -> int | None:
        """Gives the money back without being asked by the bot; returns the id of its update."""
        update_id = self._send("POST", "/refund", {"charge_id": charge_id})["update_id"]
        return None if update_id is None else int(update_id)

    def charge_back(self, charge_id: str, *, listed: bool = True) -> None:
        """The app store takes the money back: no update; only the ledger tells, or only the balance."""
        self._send("POST", "/chargeback", {"charge_id": charge_id, "listed": listed})

    # Deliveries out of the ordinary

    def redeliver(
        self, update_id: int, *, times: int = 1, concurrent: bool = False, bot: BotName = None
    ) -> list[Delivery]:
        """Delivers an update again, at once and beside the queues."""
        body = {"update_id": update_id, "times": times, "concurrent": concurrent, "bot": bot}
        return _deliveries(self._send("POST", "/redeliver", body))

    def let_expire(self, *, bot: BotName = None) -> int:
        """A day passes: what waits is never delivered. How many those were."""
        return int(self._send("POST", "/expire", {"bot": bot})["expired"])

    def inject(
        self,
        update: Any = None,
        *,
        raw: bytes | None = None,
        times: int = 1,
        concurrent: bool = False,
        secret: str | None = None,
        as_is: bool = False,
        bot: BotName = None,
    ) -> list[Delivery]:
        """Posts any JSON, or any bytes, to the webhook with the real secret, or with `secret` ("" for none).

        An object without `update_id` is given the next one, unless `as_is`.
        """
        body: Json = {"times": times, "concurrent": concurrent, "secret": secret, "as_is": as_is, "bot": bot}
        if raw is not None:
            body["raw_base64"] = base64.b64encode(raw).decode()
        else:
            body["update"] = update
        return _deliveries(self._send("POST", "/inject", body))

    def forge_payment(
        self,
        user: Who,
        *,
        amount: int,
        payload: str,
        currency: str = "XTR",
        charge_id: str | None = None,
        provider_charge_id: str | None = None,
        arrive_as: ArriveAs = "message",
        refunded: bool = False,
        times: int = 1,
        concurrent: bool = False,
        bot: BotName = None,
    ) -> list[Delivery]:
        """A payment (or `refunded`) message for money that never moved, with the real secret; not in the ledger."""
        body = {
            "user_id": _id(user),
            "amount": amount,
            "currency": currency,
            "payload": payload,
            "charge_id": charge_id,
            "provider_charge_id": provider_charge_id,
            "arrive_as": arrive_as,
            "refunded": refunded,
            "times": times,
            "concurrent": concurrent,
            "bot": bot,
        }
        return _deliveries(self._send("POST", "/forge", body))

    def start_update_ids_anew(self, *, bot: BotName = None) -> None:
        """As after a quiet week: the next update id is random, and may be lower."""
        self._send("POST", "/update-ids", {"bot": bot})

    # What goes wrong

    def faults(self, *, bot: BotName = None, **faults: Any) -> Json:
        """Switches on exactly these faults (fields of `entrypoints.sandbox.faults.Faults`), everything else off.

        `faults()` makes all well again.
        """
        where = "/faults" if bot is None else f"/faults?bot={bot}"
        return self._send("PUT", where, faults)

    # What has happened

    def wait_idle(self, *, timeout_s: float = 60.0, quiet_s: float | None = None) -> None:
        """Until updates and Stripe's events are delivered, payments decided, and no call has come for `quiet_s`.

        Events that Stripe holds back are not waited for.

        A service that sends from an outbox may be quiet for a moment longer: then give more.
        """
        answer = self._send("POST", "/settle", {"timeout_s": timeout_s, "quiet_s": quiet_s or self._quiet_s})
        if not answer["idle"]:
            waiting = [update for update in self.updates() if update["state"] == "waiting"]
            said = [(update["kind"], update["attempts"][-1:]) for update in waiting[:5]]
            said += [
                (event["type"], delivery["attempts"][-1:])
                for event in self.stripe.events()
                for delivery in event["deliveries"]
                if delivery["state"] == "waiting"
            ][:5]
            raise SandboxError(f"not idle after {timeout_s} s, {answer['waiting']} updates or events wait: {said}")

    def calls(self, method: str = "", *, via: Literal["", "http", "reply"] = "") -> list[Json]:
        """Calls of the Bot API, oldest first: {"method", "arguments", "answer", "status", "via", "duration_ms", …}."""
        found = self._get("/calls", method=method, limit=100_000)["calls"]
        return [call for call in found if not via or call["via"] == via]

    def updates(self, kind: str = "") -> list[Json]:
        """Updates, oldest first: {"update_id", "kind", "state", "update", "attempts": [{"status", "body", …}], …}."""
        return list(self._get("/updates", kind=kind, limit=100_000)["updates"])

    def ledger(self) -> list[Json]:
        """Every charge that was really made: the truth to compare with.

        {"charge_id", "provider_charge_id", "bot_id", "user_id", "amount", "currency", "payload", "refunded", …}
        """
        return list(self._get("/ledger")["charges"])

    def transactions(self) -> list[Json]:
        """Telegram's list of Star transactions, of all bots."""
        return list(self._get("/ledger")["transactions"])

    def state(self) -> Json:
        return dict(self._get("/state"))

    def messages(self, user: Who, *, chat_id: int | None = None) -> list[Json]:
        """The messages of the user's chat with the bot (or of another chat), oldest first, as Telegram's Message."""
        wanted = chat_id if chat_id is not None else _id(user)
        chats = self._get("/state", user_id=_id(user))["chats"]
        return [
            view["message"]
            for chat in chats
            if chat["chat"]["id"] == wanted
            for view in chat["messages"]
            if not view["deleted"]
        ]

    def bot_messages(self, user: Who) -> list[Json]:
        """What the bot said in the user's chat."""
        return [message for message in self.messages(user) if message.get("from", {}).get("is_bot")]

    def last_text(self, user: Who) -> str:
        """The bot's latest text in the user's chat; empty where there is none."""
        texts = [message["text"] for message in self.bot_messages(user) if "text" in message]
        return str(texts[-1]) if texts else ""

    def invoices(self, user: Who) -> list[Json]:
        """Invoice messages in the user's chat, oldest first."""
        return [message for message in self.bot_messages(user) if "invoice" in message]

    def last_invoice(self, user: Who) -> Json:
        found = self.invoices(user)
        if not found:
            raise SandboxError(f"no invoice in the chat of {_id(user)}")
        return found[-1]

    def invoice_payload(self, user: Who, message_id: int) -> str:
        """What only Telegram and the bot know of an invoice message."""
        for chat in self._get("/state", user_id=_id(user))["chats"]:
            for view in chat["messages"]:
                if view["message"]["message_id"] == message_id and "invoice" in view:
                    return str(view["invoice"]["payload"])
        raise SandboxError(f"message {message_id} is no invoice")

    def buttons(self, user: Who) -> list[Json]:
        """The inline buttons of the bot's latest message that has any: [{"text", "callback_data" or …}, …]."""
        for message in reversed(self.bot_messages(user)):
            if rows := message.get("reply_markup", {}).get("inline_keyboard"):
                return [button for row in rows for button in row]
        return []

    def press_button(self, user: Who, text: str, *, bot: BotName = None) -> Json:
        """Presses the button whose label contains `text`, on the latest message that has one."""
        labels: list[str] = []
        for message in reversed(self.bot_messages(user)):
            for row in message.get("reply_markup", {}).get("inline_keyboard", []):
                for button in row:
                    if text in button["text"]:
                        return self.press(user, message["message_id"], button["text"], bot=bot)
                    labels.append(button["text"])
        raise SandboxError(f"no button with {text!r}; there are: {labels}")

    def reset(self) -> None:
        """Forgets users, chats, updates, calls, charges, faults and all of Stripe's; webhooks and prices stay."""
        self._send("POST", "/reset", {})

    def set_webhook(self, url: str, *, secret: str = "a-secret", token: str = BOT_TOKEN, **more: Any) -> None:
        """As the bot itself would; whatever waits is delivered at once, unless nothing is changed by it."""
        answer = self.call("setWebhook", {"url": url, "secret_token": secret, **more}, token=token)
        if not answer["ok"]:
            raise SandboxError(answer["description"])

    def call(self, method: str, arguments: Mapping[str, Any] | None = None, *, token: str = BOT_TOKEN) -> Json:
        """Calls the Bot API itself, as a bot would; returns the answer, also where it is a refusal."""
        answer: Json = self._http.post(f"/bot{token}/{method}", json=dict(arguments or {})).json()
        return answer

    # HTTP

    def _get(self, path: str, **query: Any) -> Any:
        return self._checked(self._http.get("/sandbox/api" + path, params=query))

    def _send(self, method: str, path: str, body: Mapping[str, Any]) -> Json:
        given = {name: value for name, value in body.items() if value is not None}
        answer: Json = self._checked(self._http.request(method, "/sandbox/api" + path, json=given))
        return answer

    @staticmethod
    def _checked(response: httpx.Response) -> Any:
        if response.is_success:
            return response.json()
        try:
            reason = response.json()["error"]
        except (ValueError, KeyError, TypeError):
            reason = response.text
        raise SandboxError(f"{response.request.url.path}: {response.status_code} {reason}")


class SandboxStripe:
    """The Stripe inside a `SandboxServer`: for the service its address and keys, for the test what others do there.

        stripe.set_webhook(service_url + "/api/v1/billing/stripe/webhook")
        session = ...                # made by the service, or by the SDK with base_addresses={"api": stripe.api_base}
        paid = stripe.pay(session.id)
        stripe.refund(paid.charge, amount=500)
        stripe.dispute(paid.charge, "open"); stripe.dispute(paid.charge, "withdraw"); stripe.dispute(paid.charge, "win")
        telegram.wait_idle()
        assert stripe.ledger()[0]["amount_refunded"] == 500

    Where an `id` is asked for, a charge's, its payment intent's and its session's all do.
    """

    secret_key = STRIPE_SECRET_KEY
    live_key = STRIPE_LIVE_KEY
    """Another world: what one mode has, the other has not."""
    webhook_secret = STRIPE_WEBHOOK_SECRET
    """What `set_webhook` signs with where no other is named."""

    def __init__(self, sandbox: "SandboxServer") -> None:
        self._sandbox = sandbox

    @property
    def api_base(self) -> str:
        """For STRIPE_API_BASE, and for the SDK's base_addresses={"api": …}."""
        return f"{self._sandbox.url}/stripe"

    # How it is set up

    def set_webhook(
        self,
        url: str,
        *,
        secrets: Sequence[str] = (STRIPE_WEBHOOK_SECRET,),
        enabled_events: Sequence[str] = ("*",),
        livemode: bool | None = None,
    ) -> None:
        """The only endpoint from now on, in both modes unless one is named; "" for none.

        All `secrets` sign, as while one is rolled. Events that are on their way go to the new place.
        """
        body = {
            "url": url,
            "secrets": list(secrets),
            "enabled_events": list(enabled_events),
            "livemode": livemode,
        }
        self._send("PUT", "/webhook", body)

    def set_price(
        self, price_id: str, unit_amount: int, currency: str, *, name: str = "A plan", livemode: bool = False
    ) -> None:
        """Makes a price, or changes it: sessions that are there keep what they had."""
        price = {"unit_amount": unit_amount, "currency": currency, "name": name, "livemode": livemode}
        self._send("PUT", "/prices", {price_id: price})

    def faults(self, **faults: Any) -> Json:
        """Switches on exactly these faults (fields of `entrypoints.sandbox.stripe.faults.StripeFaults`), else nothing.

        `faults()` makes all well again, and lets go of what was held back.
        """
        return self._send("PUT", "/faults", faults)

    # What buyers do on the card page

    def pay(
        self,
        session_id: str,
        *,
        email: str | None = None,
        name: str | None = None,
        amount: int | None = None,
        currency: str | None = None,
    ) -> CardOutcome:
        """Pays at once. `amount` and `currency` forge what Stripe then says was paid."""
        body = {"session_id": session_id, "email": email, "name": name, "amount": amount, "currency": currency}
        return CardOutcome(**self._send("POST", "/pay", body))

    def decline(self, session_id: str, *, code: str = "card_declined") -> CardOutcome:
        """The card is refused; the session stays open. Also insufficient_funds, expired_card, incorrect_cvc, …"""
        return CardOutcome(**self._send("POST", "/decline", {"session_id": session_id, "code": code}))

    def abandon(self, session_id: str) -> str | None:
        """The buyer goes back; returns where to. Nobody is told."""
        redirect = self._send("POST", "/abandon", {"session_id": session_id})["redirect"]
        return None if redirect is None else str(redirect)

    def pay_late(self, session_id: str, *, outcome: Outcome | None = None, after_s: float = 0.0) -> CardOutcome:
        """Completes the session unpaid. The money comes or fails after `after_s` (scaled), or with `settle_late`."""
        body = {"session_id": session_id, "outcome": outcome, "after_s": after_s}
        return CardOutcome(**self._send("POST", "/pay-late", body))

    def settle_late(self, session_id: str, outcome: Outcome = "succeeded") -> CardOutcome:
        return CardOutcome(**self._send("POST", "/settle-late", {"session_id": session_id, "outcome": outcome}))

    def expire(self, session_id: str) -> None:
        """The session's time is over."""
        self._send("POST", "/expire", {"session_id": session_id})

    # What the operator and the banks do

    def refund(self, id: str, *, amount: int | None = None, reason: str | None = None, pending: bool = False) -> Json:
        """Gives money back without being asked by the service: a part, or what is left. Returns Stripe's refund."""
        return self._send("POST", "/refund", {"id": id, "amount": amount, "reason": reason, "pending": pending})

    def settle_refund(self, refund_id: str, outcome: Outcome = "succeeded") -> Json:
        """A refund that was pending is through, or failed: then the money is back on the account."""
        return self._send("POST", "/settle-refund", {"refund_id": refund_id, "outcome": outcome})

    def dispute(self, id: str, step: DisputeStep = "open", *, amount: int | None = None) -> Json:
        """One step; returns Stripe's dispute. `id` may be the dispute's too.

        A chargeback: open, withdraw (the funds leave), answer, then win or lose (which withdraws first where
        nobody has). An inquiry: inquiry, then close, or escalate (becomes a chargeback, and the funds leave).
        """
        return self._send("POST", "/dispute", {"id": id, "step": step, "amount": amount})

    # Events

    def events(self, event_type: str = "") -> list[Json]:
        """Oldest first: {"event_id", "type", "event", "deliveries": [{"state", "attempts": [{"status", …}]}], …}."""
        return list(self._get("/events", type=event_type, limit=100_000)["events"])

    def event_ids(self, event_type: str = "") -> list[str]:
        return [event["event_id"] for event in self.events(event_type)]

    def resend(self, event_ids: Sequence[str], *, times: int = 1, concurrent: bool = False) -> list[Delivery]:
        """Delivers them (again) now, in this order, or all at once; what was held back stays held back."""
        body = {"event_ids": list(event_ids), "times": times, "concurrent": concurrent}
        return _deliveries(self._send("POST", "/resend", body))

    def release(self, event_ids: Sequence[str] | None = None) -> list[Delivery]:
        """Lets go of events that the fault `hold_events` keeps: one after the other in this order, or all at once."""
        ids = None if event_ids is None else list(event_ids)
        return _deliveries(self._send("POST", "/release", {"event_ids": ids}))

    def forge_event(
        self,
        event_type: str = "checkout.session.completed",
        thing: Mapping[str, Any] | None = None,
        *,
        event: Mapping[str, Any] | None = None,
        raw: bytes | None = None,
        signature: Signature = "good",
        secret: str | None = None,
        age_s: int | None = None,
        livemode: bool = False,
        times: int = 1,
        concurrent: bool = False,
    ) -> list[Delivery]:
        """An event about `thing`, or any bytes, that Stripe never made: not in its list of events.

        "good" signs with the endpoint's secrets, or with `secret`; `age_s` is the signature's age, negative from
        the future. "old" and "future" are an hour off.
        """
        body: Json = {
            "type": event_type,
            "object": None if thing is None else dict(thing),
            "event": None if event is None else dict(event),
            "raw_base64": None if raw is None else base64.b64encode(raw).decode(),
            "signature": signature,
            "secret": secret,
            "age_s": age_s,
            "livemode": livemode,
            "times": times,
            "concurrent": concurrent,
        }
        return _deliveries(self._send("POST", "/forge", body))

    # What has happened

    def ledger(self) -> list[Json]:
        """Every payment intent, oldest first: the truth to compare with.

        {"payment_intent", "charge", "session_id", "customer", "amount", "currency", "status", "paid",
        "amount_refunded", "refunded", "dispute" (its status or None), "funds_withdrawn", "metadata", "livemode", …}
        """
        return list(self._get("/ledger")["payments"])

    def calls(self, method: str = "") -> list[Json]:
        """Calls of the API, oldest first: {"method", "address", "arguments", "answer", "status", "fault", …}.

        Methods are called as in the SDK, `checkout.sessions.create`.
        """
        return list(self._get("/calls", method=method, limit=100_000)["calls"])

    def session(self, session_id: str) -> Json:
        """As the API shows it, whatever the mode."""
        return dict(self._get(f"/checkout/{session_id}")["session"])

    def reset(self) -> None:
        """Forgets everything of Stripe's but the endpoint and the prices."""
        self._send("POST", "/reset", {})

    def _get(self, path: str, **query: Any) -> Any:
        return self._sandbox._get("/stripe" + path, **query)

    def _send(self, method: str, path: str, body: Mapping[str, Any]) -> Json:
        return self._sandbox._send(method, "/stripe" + path, body)


def _judge(update: Json, **judgement: Any) -> Reply:
    if (query := update.get("pre_checkout_query")) is None:
        return Reply()
    return Reply(body={"method": "answerPreCheckoutQuery", "pre_checkout_query_id": query["id"], **judgement})


def _id(user: Who) -> int:
    return user if isinstance(user, int) else int(user["id"])


def _deliveries(answer: Json) -> list[Delivery]:
    return [
        Delivery(status=one["status"], body=one["body"], error=one["error"], duration_ms=one["duration_ms"])
        for one in answer["attempts"]
    ]
