"""Stripe's webhook. An event is a doorbell: what it is about is fetched again, and its state decides.

What can't be settled now, since Stripe can't be asked or our own code fails on it, is kept as it came and answered
200. Only where nothing could be committed is it answered 503, so that it comes again.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any, TypeVar

from litestar import Request, Response, post

from adapters.stripe.signatures import verify_event
from application.inbox import KeepReport
from application.ports.checkout import Checkout, StripeEvent, StripeSnapshot
from application.ports.inbox import Report, Source
from application.ports.payments import ChargeKey
from application.ports.surroundings import Clock
from application.refunds import RecordRefund
from application.standing import FollowCharge
from application.stripe_events import KeepStripeEvent
from domain.errors import NotFound, Unavailable
from domain.ids import BotName
from domain.payment import Charge, Payment
from entrypoints.http.bodies import read_body
from entrypoints.http.handed import Handed
from entrypoints.http.lane import Lane
from entrypoints.intake import FOREIGN, OTHER_MODE, SETTLED, UNUSED, whole_refund

AnyRequest = Request[Any, Any, Any]
Answer = TypeVar("Answer")

MAX_EVENT_BYTES = 1 << 20
THREADS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeDesk:
    """Takes each event to what it is about. `live` is the mode of our own key."""

    secrets: Sequence[str]
    live: bool
    clock: Clock
    checkout: Checkout
    charges: Lane[Charge, ChargeKey, Payment]
    record_refund: RecordRefund
    follow_charge: FollowCharge
    keep_event: KeepStripeEvent
    keep_report: KeepReport
    wake_relay: Callable[[], None]
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(THREADS, "stripe"))

    async def take(self, body: bytes, signature: str | None) -> None:
        """Raises BadSignature, and Unavailable where the database does not do its part: then it shall come again.

        What can't be settled now, since Stripe can't be asked or by a fault of ours, is kept for another try.
        """
        event = verify_event(body, signature, self.secrets, self.clock.now())
        try:
            if await self._run(self.keep_event.known, event):
                return
            await self._run(self.keep_event, event, await self._outcome(event))
        except Unavailable:
            raise
        except Exception as fault:
            report = Report(source=Source.STRIPE_EVENT, bot=BotName(""), body=body)
            await self._run(self.keep_report, report, type(fault).__name__, fault)
        self.wake_relay()

    async def _outcome(self, event: StripeEvent) -> str:
        if event.live != self.live:
            return OTHER_MODE  # test money opens no door that was paid for
        snapshot = await self._run(self.checkout.snapshot, event)
        if snapshot is None:
            return FOREIGN
        await self._settle(snapshot)
        return SETTLED if snapshot.charge else UNUSED

    async def _settle(self, snapshot: StripeSnapshot) -> None:
        charge, standing = snapshot.charge, snapshot.standing
        if charge is None:
            return
        if standing and standing.given_back:
            # First, so that a charge which was never granted never is.
            await self._run(self.record_refund, whole_refund(charge, self.clock))
        await self.charges.submit(charge)
        if standing and not standing.given_back:
            await self._run(self.follow_charge, standing)

    async def _run(self, use_case: Callable[..., Answer], *arguments: object) -> Answer:
        context = copy_context()
        return await asyncio.get_running_loop().run_in_executor(self.threads, context.run, use_case, *arguments)

    def close(self) -> None:
        self.threads.shutdown(cancel_futures=True)


@post("/api/v1/billing/stripe/webhook", status_code=200)
async def receive_stripe_event(request: AnyRequest, stripe_desk: Handed[StripeDesk | None]) -> Response[bytes]:
    if stripe_desk is None:
        raise NotFound("Stripe is not set up here.")
    body = await read_body(request, MAX_EVENT_BYTES)
    signatures = request.headers.getall("stripe-signature", [])
    await stripe_desk.take(body, signatures[0] if len(signatures) == 1 else None)
    return Response(b"{}", media_type="application/json")
