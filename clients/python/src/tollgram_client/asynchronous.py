"""The shell for those who await. What it does is decided in `conversation`; `blocking` is its twin."""

import random
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import closing
from datetime import datetime
from types import TracebackType
from typing import Final, Self, TypeVar

import anyio
import httpx

from tollgram_client import questions
from tollgram_client.answers import Check, Entitlement, Event, Page, Payment, PaymentEvent, PaymentInFull
from tollgram_client.conversation import Conversation, Outcome, Passports, Send, Story
from tollgram_client.patience import Patience
from tollgram_client.questions import Question
from tollgram_client.webhooks import verify_webhook
from tollgram_client.wire import Wire, lost, received

T = TypeVar("T")
PATIENT: Final = Patience()


class AsyncTollgram:
    """One service, asked by one token; an async context manager. For asyncio and trio.

    `token` may be a function that gives a fresh one. With `passports`, `allowed` answers by them. An `http` of the
    caller's own stays open. `clock` gives Unix seconds. Every method raises TollgramError.
    """

    def __init__(
        self,
        base_url: str,
        token: str | Callable[[], str],
        *,
        patience: Patience = PATIENT,
        passports: Passports | None = None,
        http: httpx.AsyncClient | None = None,
        clock: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._wire = Wire(base_url, token)
        self._talk = Conversation(patience=patience, passports=passports, clock=clock, chance=chance)
        self._http, self._owned = http or httpx.AsyncClient(), http is None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._wire.base_url)!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        if self._owned:
            await self._http.aclose()

    async def allowed(self, user_id: int, feature: str) -> bool:
        """May this user do this now? An unknown user or feature is a no."""
        return await self._live(self._talk.allowed(user_id, feature))

    async def check(self, user_id: int, feature: str, as_of: datetime | None = None, *, explain: bool = False) -> Check:
        """The same with plan, end and limits; as of another moment; with its reasons."""
        return await self._ask(questions.check(user_id, feature, as_of, explain))

    async def check_many(self, asked: Iterable[tuple[int, str]]) -> list[Check]:
        """Any number of questions, a thousand in a request; answers in their order."""
        return await self._live(self._talk.check_many(list(asked)))

    async def entitlements(self, user_id: int, as_of: datetime | None = None) -> tuple[Entitlement, ...]:
        """All that the user was ever given, now or as it was known at that moment."""
        return (await self._ask(questions.entitlements(user_id, as_of))).entitlements

    async def grant(
        self,
        user_id: int,
        plan_code: str,
        reason: str,
        duration: str | None = None,
        idempotency_key: str | None = None,
    ) -> Entitlement:
        """Give a plan, for as long as it lasts or for a `duration` such as "1 month". Sent again by itself it grants
        once; a caller who may call again gives a key of their own.
        """
        return await self._ask(questions.grant(user_id, plan_code, reason, duration, idempotency_key))

    async def revoke(self, entitlement_id: str, reason: str) -> Entitlement:
        """End it now. What is over stays as it is."""
        return await self._ask(questions.revoke(entitlement_id, reason))

    def payments(
        self,
        *,
        user_id: int | None = None,
        status: str | None = None,
        method: str | None = None,
        plan_code: str | None = None,
        charge_id: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        page_size: int = 100,
    ) -> AsyncIterator[Payment]:
        """All of them that fit, newest first, fetched page by page as they are taken."""
        return self._all(
            questions.payments(
                user_id=user_id,
                status=status,
                method=method,
                plan_code=plan_code,
                charge_id=charge_id,
                since=since,
                until=until,
                page_size=page_size,
            )
        )

    async def payment(self, payment_id: str) -> PaymentInFull:
        return await self._ask(questions.payment(payment_id))

    def payment_events(
        self,
        *,
        user_id: int | None = None,
        invoice_id: str | None = None,
        charge_id: str | None = None,
        page_size: int = 100,
    ) -> AsyncIterator[PaymentEvent]:
        """The audit trail, newest first."""
        return self._all(questions.payment_events(user_id, invoice_id, charge_id, page_size))

    async def refund(self, payment_id: str, reason: str, *, outside: bool = False) -> Payment:
        """Order that it be given back; access ends when the provider has confirmed. `outside`: it was done already."""
        return await self._ask(questions.refund(payment_id, reason, outside))

    async def events(
        self, after: int = 0, *, follow: bool = True, wait_s: int = 20, page_size: int = 100
    ) -> AsyncIterator[Event]:
        """What happened after that number, and then what happens, waiting for it through any outage; keep the last
        `sequence` to go on from. Without `follow` it ends where there is no more yet.
        """
        while True:
            page = await self._live(self._talk.next_events(after, wait_s if follow else 0, page_size))
            for one in page.items:
                yield one
            after = page.last_sequence
            if not follow and not page.items:
                return

    verify_webhook = staticmethod(verify_webhook)

    async def _all(self, page_at: Callable[[str | None], Question[Page[T]]]) -> AsyncIterator[T]:
        cursor = None
        while True:
            page = await self._ask(page_at(cursor))
            for one in page.items:
                yield one
            cursor = page.next_cursor
            if cursor is None:
                return

    async def _ask(self, question: Question[T]) -> T:
        return await self._live(self._talk.ask(question))

    async def _live(self, story: Story[T]) -> T:
        outcome: Outcome = None
        with closing(story):  # others may wait for how it ends, though whoever asked gave up
            while True:
                try:
                    step = story.send(outcome)
                except StopIteration as end:
                    result: T = end.value
                    return result
                if isinstance(step, Send):
                    outcome = await self._send(step)
                else:
                    await anyio.sleep(step.seconds)
                    outcome = None

    async def _send(self, step: Send) -> Outcome:
        try:
            return received(await self._http.request(**self._wire.request(step)))
        except httpx.RequestError as error:
            return lost(error)
