"""Brings updates to a bot's webhook, in the order and with the patience of Telegram.

Source of the numbers: WebhookActor.cpp in tdlib/telegram-bot-api.
"""

import asyncio
import contextlib
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec

from entrypoints.sandbox.faults import Weather
from entrypoints.sandbox.options import Options
from entrypoints.sandbox.updates import Attempt, Update, now

LONGEST_RETRY_AFTER_S = 3600
RESEND_S = 60
LONGEST_BODY_KEPT = 4096
NEVER_EXECUTED = ("setwebhook", "deletewebhook", "close", "logout")
JSON = "application/json"
"""Without it the body of an answer is not looked at. Source: HttpReader.cpp in tdlib/td."""
GONE = 410
GONE_S = 23 * 3600.0
"""After so long of nothing but 410 a bot has no webhook any more."""

Execute = Callable[[dict[str, Any]], None]


@dataclass(slots=True, kw_only=True)
class Webhook:
    url: str
    secret_token: str = ""
    max_connections: int = 40
    last_error_at: int | None = None
    last_error: str = ""
    gone_since: float | None = None
    """When the first 410 of an unbroken row came."""


@dataclass(slots=True)
class _Place:
    """A queue that is being worked on."""

    updates: deque[Update] = field(default_factory=deque)
    worker: "asyncio.Task[None] | None" = None


class Courier:
    """One bot's queues. The head of a queue blocks it; other queues go on, within max_connections."""

    def __init__(
        self,
        *,
        options: Options,
        weather: Weather,
        bot_id: int,
        client: httpx.AsyncClient,
        changed: Callable[[Update], None],
        execute: Execute,
    ) -> None:
        self.options = options
        self.weather = weather
        self.bot_id = bot_id
        self.client = client
        self.changed = changed
        self.execute = execute
        self.webhook: Webhook | None = None
        self.allowed_updates: tuple[str, ...] = ()
        """The bot's own, with and without a webhook; empty for the default kinds."""
        self.in_flight = 0
        self._places: dict[tuple[str, int], _Place] = {}
        self._connections = asyncio.Semaphore(1)
        self._loaded = asyncio.Semaphore(1)

    # What the rest of Telegram asks of it

    def set_webhook(self, webhook: Webhook | None) -> None:
        """Starts over: whatever waits is tried at once at the new place."""
        self.webhook = webhook
        for place in self._places.values():
            if place.worker is not None:
                place.worker.cancel()
                place.worker = None
        if webhook is not None:
            self._connections = asyncio.Semaphore(webhook.max_connections)
            # Updates that are loaded but not delivered yet block the rest of the bot once there are so many.
            self._loaded = asyncio.Semaphore(2 * webhook.max_connections)
            for key in list(self._places):
                self._work_on(key)

    def put(self, update: Update) -> None:
        self._places.setdefault(update.queue, _Place()).updates.append(update)
        self.changed(update)
        if self.webhook is not None:
            self._work_on(update.queue)

    def pending(self) -> list[Update]:
        return [update for place in self._places.values() for update in place.updates]

    def drop_pending(self) -> None:
        for update in self.pending():
            update.state = "dropped"
            self.changed(update)
        webhook = self.webhook
        self.set_webhook(None)
        self._places.clear()
        self.set_webhook(webhook)

    def let_expire(self) -> None:
        """The lifetime of all that waits is over."""
        for update in self.pending():
            update.expires_at = 0.0
        self.set_webhook(self.webhook)

    async def send_outside_the_queue(
        self, update: Update, *, times: int, concurrent: bool, secret: str | None, why: str
    ) -> list[Attempt]:
        """`secret` None: the real one."""
        if concurrent:
            return list(await asyncio.gather(*(self._attempt(update, why, secret=secret) for _ in range(times))))
        return [await self._attempt(update, why, secret=secret) for _ in range(times)]

    async def close(self) -> None:
        tasks = [place.worker for place in self._places.values() if place.worker is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # The work

    def _work_on(self, key: tuple[str, int]) -> None:
        place = self._places[key]
        if place.worker is None:
            place.worker = asyncio.create_task(self._empty(key, place))

    async def _empty(self, key: tuple[str, int], place: _Place) -> None:
        while place.updates:
            async with self._loaded:
                await self._bring(place.updates[0])
            place.updates.popleft()
        if self._places.get(key) is place:
            del self._places[key]

    async def _bring(self, update: Update) -> None:
        failures = 0
        delay_s = 1.0
        while True:
            await self._wait_out_the_weather()
            if now() > update.expires_at:
                return self._end(update, "expired")
            attempt = await self._deliver_once(update)
            if attempt.succeeded:
                return self._end(update, "delivered")
            self._leave_what_is_gone()
            wait_s = float(attempt.retry_after)
            if wait_s == 0 and failures > 0:
                longest_s = random.uniform(RESEND_S, 2 * RESEND_S)  # noqa: S311 (spreads load, guards nothing)
                delay_s = min(longest_s, 2 * delay_s)
                wait_s = delay_s
            failures += 1
            wait_s *= self.options.time_scale
            if now() + wait_s > update.expires_at:
                return self._end(update, "expired")
            update.next_attempt_at = now() + wait_s
            self.changed(update)
            await asyncio.sleep(wait_s)

    def _leave_what_is_gone(self) -> None:
        """What waits then waits on, until there is a webhook again: this ends whoever works on a queue, callers too."""
        gone_since = self.webhook.gone_since if self.webhook is not None else None
        if gone_since is not None and now() > gone_since + GONE_S * self.options.time_scale:
            self.set_webhook(None)

    def _end(self, update: Update, state: str) -> None:
        update.state = state
        update.next_attempt_at = None
        self.changed(update)

    async def _wait_out_the_weather(self) -> None:
        if (delay_s := self.weather.at(self.bot_id).delivery_delay_s) > 0:
            await asyncio.sleep(delay_s * self.options.time_scale)
        while (faults := self.weather.at(self.bot_id)).hold_deliveries or faults.down:
            await asyncio.sleep(0.02)

    async def _deliver_once(self, update: Update) -> Attempt:
        """One delivery, or as many as the faults ask for. It has succeeded when any of its copies has."""
        faults = self.weather.at(self.bot_id)
        copies = [
            asyncio.create_task(self._attempt(update, "copy" if number else "delivery"))
            for number in range(max(1, faults.deliver_concurrently))
        ]
        try:
            attempts = await asyncio.gather(*copies)
        finally:
            for copy in copies:
                copy.cancel()
        best = next((attempt for attempt in attempts if attempt.succeeded), attempts[0])
        if best.succeeded:
            for _ in range(faults.deliver_times - 1):
                await self._attempt(update, "copy")
        return best

    async def _attempt(self, update: Update, why: str, *, secret: str | None = None) -> Attempt:
        webhook = self.webhook
        attempt = Attempt(at=now(), why=why)
        if webhook is None:
            attempt.error = "No webhook is set"
            return attempt
        headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip, deflate"}
        if token := (webhook.secret_token if secret is None else secret):
            headers["X-Telegram-Bot-Api-Secret-Token"] = token
        # What is sent beside the queues is there to crowd the webhook, so it keeps to no limit.
        async with self._connections if why == "delivery" else contextlib.nullcontext():
            update.attempts.append(attempt)
            update.next_attempt_at = None
            self.in_flight += 1
            self.changed(update)
            started = time.perf_counter()
            try:
                await self._post(webhook, update, headers, attempt)
            finally:
                self.in_flight -= 1
                attempt.duration_ms = (time.perf_counter() - started) * 1000
                if attempt.status is None and not attempt.error:
                    attempt.error = "Cut off: the webhook was changed"
                self.changed(update)
        if attempt.error:
            webhook.last_error_at, webhook.last_error = int(now()), attempt.error
        return attempt

    async def _post(self, webhook: Webhook, update: Update, headers: dict[str, str], attempt: Attempt) -> None:
        try:
            async with asyncio.timeout(self.options.answer_timeout_s):
                response = await self.client.post(webhook.url, content=update.raw, headers=headers)
        except (TimeoutError, httpx.TimeoutException):
            attempt.error = "Read timeout expired"
            return
        except httpx.ConnectError:
            attempt.error = "Connection refused"
            return
        except Exception:  # a process that dies in the middle breaks the client in ways of which httpx knows nothing
            attempt.error = "Webhook connection closed"
            return
        attempt.status = response.status_code
        attempt.body = response.text[:LONGEST_BODY_KEPT]
        if self.weather.at(self.bot_id).strike("lose_answers"):
            attempt.error = "Read timeout expired"
            return
        webhook.gone_since = (webhook.gone_since or now()) if response.status_code == GONE else None
        if not response.is_success:
            reason = f" {response.reason_phrase}" if response.reason_phrase else ""
            attempt.error = f"Wrong response from the webhook: {response.status_code}{reason}"
            attempt.retry_after = _header_seconds(response.headers.get("Retry-After", ""))
            return
        if JSON in response.headers.get("Content-Type", "").lower():
            self._execute_reply(response.content)

    def _execute_reply(self, body: bytes) -> None:
        """A 2xx body of JSON may be one call. It is executed, and nobody learns its result."""
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            call = msgspec.json.decode(body)
            if not isinstance(call, dict) or not isinstance(call.get("method"), str):
                return
            method = call["method"].lower()
            if method and method not in NEVER_EXECUTED and not method.startswith("get"):
                self.execute(call)


def _header_seconds(value: str) -> int:
    return min(LONGEST_RETRY_AFTER_S, int(value)) if value.isdigit() else 0
