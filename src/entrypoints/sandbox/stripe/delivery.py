"""Brings events to endpoints: each on its own, in no order, for up to three days.

Stripe says "exponential back off" and no numbers: 5 s, doubling up to 12 h, is a guess that people can wait for.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Sequence

import httpx

from entrypoints.sandbox.options import Options
from entrypoints.sandbox.people import Json
from entrypoints.sandbox.stripe.endpoints import secrets_of
from entrypoints.sandbox.stripe.events import Delivery, Event
from entrypoints.sandbox.stripe.faults import StripeFaults
from entrypoints.sandbox.stripe.signatures import signed
from entrypoints.sandbox.updates import Attempt

FIRST_RETRY_S = 5.0
LONGEST_RETRY_S = 12 * 3600.0
LIFETIME_S = 3 * 24 * 3600.0
MOST_CONNECTIONS = 100
LONGEST_BODY_KEPT = 4096
USER_AGENT = "Stripe/1.0 (+https://stripe.com/docs/webhooks)"

Sign = Callable[[bytes], str | None]
"""The header for a body; None for none."""


class Postman:
    def __init__(
        self,
        *,
        options: Options,
        client: httpx.AsyncClient,
        faults: Callable[[], StripeFaults],
        changed: Callable[[Event], None],
    ) -> None:
        self.options = options
        self.client = client
        self.faults = faults
        self.changed = changed
        self.held: list[tuple[Event, Delivery]] = []
        self._connections = asyncio.Semaphore(MOST_CONNECTIONS)
        self._tasks: dict[asyncio.Task[None], tuple[Event, Delivery]] = {}

    def send(self, event: Event, endpoints: Sequence[Json]) -> None:
        faults = self.faults()
        concerned = faults.concerns_event(event.type)
        for endpoint in endpoints:
            delivery = Delivery(endpoint=endpoint)
            event.deliveries.append(delivery)
            if concerned and faults.strike("lose_events"):
                delivery.state = "lost"
            elif concerned and faults.hold_events:
                delivery.state = "held"
                self.held.append((event, delivery))
            else:
                self._start(event, delivery)
        self.changed(event)

    def waiting(self) -> int:
        """Deliveries under way. What is held back is not: it waits for somebody to release it."""
        return len(self._tasks)

    def release_all(self) -> None:
        held, self.held = self.held, []
        for event, delivery in held:
            delivery.state = "waiting"
            self._start(event, delivery)
            self.changed(event)

    async def release(self, event_ids: Sequence[str]) -> list[Attempt]:
        """One after the other, in this order; one that fails goes on to be tried like any other."""
        attempts = []
        for event_id in event_ids:
            found = [(event, delivery) for event, delivery in self.held if event.id == event_id]
            self.held = [one for one in self.held if one not in found]
            for event, delivery in found:
                delivery.state = "waiting"
                attempt = await self._deliver_once(event, delivery)
                attempts.append(attempt)
                if attempt.succeeded:
                    self._end(event, delivery, "delivered")
                else:
                    self._start(event, delivery, failures=1)
        return attempts

    async def send_now(
        self, event: Event, delivery: Delivery, *, times: int, concurrent: bool, why: str, sign: Sign | None = None
    ) -> list[Attempt]:
        """Beside everything that is under way, which it does not stop: as "Resend" at Stripe."""
        if concurrent:
            return list(await asyncio.gather(*(self._attempt(event, delivery, why, sign) for _ in range(times))))
        return [await self._attempt(event, delivery, why, sign) for _ in range(times)]

    def drop_all(self) -> None:
        for task, (_, delivery) in self._tasks.items():
            delivery.state = "dropped"
            task.cancel()
        self._tasks.clear()
        self.held.clear()

    async def close(self) -> None:
        tasks = list(self._tasks)
        self.drop_all()
        await asyncio.gather(*tasks, return_exceptions=True)

    # The work

    def _start(self, event: Event, delivery: Delivery, *, failures: int = 0) -> None:
        task = asyncio.create_task(self._bring(event, delivery, failures))
        self._tasks[task] = (event, delivery)
        task.add_done_callback(lambda done: self._tasks.pop(done, None))

    async def _bring(self, event: Event, delivery: Delivery, failures: int) -> None:
        ends_at = event.created_at + LIFETIME_S * self.options.time_scale
        while True:
            if failures > 0:
                wait_s = min(LONGEST_RETRY_S, FIRST_RETRY_S * 2 ** (failures - 1)) * self.options.time_scale
                if time.time() + wait_s > ends_at:
                    return self._end(event, delivery, "failed")
                delivery.next_attempt_at = time.time() + wait_s
                self.changed(event)
                await asyncio.sleep(wait_s)
            await self._wait_out_the_weather(event)
            if delivery.endpoint["status"] != "enabled":
                return self._end(event, delivery, "failed")
            if (await self._deliver_once(event, delivery)).succeeded:
                return self._end(event, delivery, "delivered")
            failures += 1

    def _end(self, event: Event, delivery: Delivery, state: str) -> None:
        delivery.state = state
        delivery.next_attempt_at = None
        self.changed(event)

    async def _wait_out_the_weather(self, event: Event) -> None:
        faults = self.faults()
        if faults.concerns_event(event.type):
            jitter_s = random.uniform(0, faults.delivery_jitter_s)  # noqa: S311 (spreads, guards nothing)
            if (delay_s := faults.delivery_delay_s + jitter_s) > 0:
                await asyncio.sleep(delay_s * self.options.time_scale)
        while self.faults().down:
            await asyncio.sleep(0.02)

    async def _deliver_once(self, event: Event, delivery: Delivery) -> Attempt:
        faults = self.faults()
        if not faults.concerns_event(event.type):
            return await self._attempt(event, delivery, "delivery")
        copies = max(1, faults.deliver_concurrently)
        attempts = await asyncio.gather(
            *(self._attempt(event, delivery, "copy" if number else "delivery") for number in range(copies))
        )
        best = next((attempt for attempt in attempts if attempt.succeeded), attempts[0])
        if best.succeeded:
            for _ in range(faults.deliver_times - 1):
                await self._attempt(event, delivery, "copy")
        return best

    async def _attempt(self, event: Event, delivery: Delivery, why: str, sign: Sign | None = None) -> Attempt:
        # What is sent beside the rest is there to crowd the endpoint, so it keeps to no limit.
        async with self._connections if why == "delivery" else contextlib.nullcontext():
            attempt = Attempt(at=time.time(), why=why)
            delivery.attempts.append(attempt)
            delivery.next_attempt_at = None
            self.changed(event)
            body = event.body
            secrets = secrets_of(delivery.endpoint)
            signature = signed(body, secrets, int(time.time())) if sign is None else sign(body)
            headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": USER_AGENT, "Accept": "*/*"}
            if signature is not None:
                headers["Stripe-Signature"] = signature
            started = time.perf_counter()
            try:
                await self._post(event, str(delivery.endpoint["url"]), body, headers, attempt)
            finally:
                attempt.duration_ms = (time.perf_counter() - started) * 1000
                if attempt.status is None and not attempt.error:
                    attempt.error = "Cut off"
                self.changed(event)
        return attempt

    async def _post(self, event: Event, url: str, body: bytes, headers: dict[str, str], attempt: Attempt) -> None:
        try:
            async with asyncio.timeout(self.options.answer_timeout_s):
                response = await self.client.post(url, content=body, headers=headers)
        except (TimeoutError, httpx.TimeoutException):
            attempt.error = "Timed out connecting to remote host"
            return
        except httpx.ConnectError:
            attempt.error = "Connection refused"
            return
        except Exception:  # a process that dies in the middle breaks the client in ways of which httpx knows nothing
            attempt.error = "Connection closed"
            return
        attempt.status = response.status_code
        attempt.body = response.text[:LONGEST_BODY_KEPT]
        faults = self.faults()
        if faults.concerns_event(event.type) and faults.strike("lose_answers"):
            attempt.error = "Timed out connecting to remote host"
        elif not response.is_success:
            attempt.error = f"Wrong response from the endpoint: {response.status_code}"
