"""Telegram's webhook. Nothing reads an update but through the check that it is authentic.

An authentic update that we can't understand, or that our own code fails on, is kept raw and answered 200, since
Telegram would send it again for a day and hold back all that comes after it. Only where nothing could be committed is
it answered 503, so that it does come again.
"""

import asyncio
import hmac
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, TypeVar

import structlog
from litestar import Request, Response, post
from litestar.params import FromPath

from adapters.telegram.replies import NO_CALL, Replies
from adapters.telegram.updates import Ignored, NotAnUpdate, Unreadable, Update, read_update
from adapters.telegram.usernames import Usernames
from adapters.telemetry import bound
from adapters.telemetry.metrics import Metrics
from adapters.telemetry.tracing import Tracing
from application.chat import AnswerMessage, AnswerPress, ButtonPress, ChatMessage
from application.inbox import KeepReport
from application.ports.inbox import Report, Source
from application.ports.payments import ChargeKey
from application.pre_checkout import JudgePreCheckouts
from application.refunds import RecordRefund
from domain.errors import NotFound, Unauthenticated, Unavailable
from domain.ids import BotName
from domain.invoice import Objection, PreCheckout
from domain.payment import Charge, Payment, Refund
from domain.settlement import signed_terms
from entrypoints.http.addresses import Network, require_network
from entrypoints.http.bodies import read_body
from entrypoints.http.handed import Handed
from entrypoints.http.headers import Arriving, all_of
from entrypoints.http.lane import Lane
from entrypoints.sightings import Sightings

AnyRequest = Request[Any, Any, Any]
Answer = TypeVar("Answer")

MAX_UPDATE_BYTES = 1 << 20
SECRET_HEADER = b"x-telegram-bot-api-secret-token"
PRE_CHECKOUT_DEADLINE_S = 8.0
"""Telegram gives up on a pre-checkout after 10 s (https://core.telegram.org/bots/api#precheckoutquery)."""
THREADS = 16

log = structlog.get_logger("tollgram")


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Who may report updates: from where, and with which secret."""

    bots: frozenset[BotName]
    secrets: Sequence[str]
    networks: Sequence[Network] = ()
    trusted_proxies: Sequence[Network] = ()

    async def admit(self, request: Arriving, bot: str) -> "AuthenticUpdate":
        """The body of a call that comes from Telegram.

        Raises Forbidden, NotFound, Unauthenticated or TooLarge, and reads no body before the first three are settled.
        """
        require_network(request, self.networks, self.trusted_proxies)
        if bot not in self.bots:
            raise NotFound("There is no such bot.")
        presented = all_of(request, SECRET_HEADER)
        # All are compared, so that the time it takes tells nothing.
        good = [hmac.compare_digest(presented[0].encode(), secret.encode()) for secret in self.secrets if presented]
        if len(presented) != 1 or not any(good):
            raise Unauthenticated("The webhook's secret is missing or wrong.")
        return AuthenticUpdate(bot=BotName(bot), body=await read_body(request, MAX_UPDATE_BYTES))


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthenticUpdate:
    bot: BotName
    body: bytes

    def read(self, username: str | None) -> Update:
        return read_update(self.body, self.bot, username)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateDesk:
    """Takes each update to the use case that it is for: charges and pre-checkouts in batches, by a lane for each, so
    that a buyer who waits never stands behind anything else; the rest on a bounded set of threads.
    """

    judge_pre_checkouts: JudgePreCheckouts
    pre_checkouts: Lane[PreCheckout, str, Objection | None]
    charges: Lane[Charge, ChargeKey, Payment]
    record_refund: RecordRefund
    answer_message: AnswerMessage
    answer_press: AnswerPress
    keep_report: KeepReport
    metrics: Metrics
    tracing: Tracing
    replies: Replies
    usernames: Usernames
    wake_relay: Callable[[], None]
    sightings: Sightings | None = None
    deadline_s: float = PRE_CHECKOUT_DEADLINE_S
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(THREADS, "updates"))

    async def take(self, authentic: AuthenticUpdate) -> bytes:
        """The reply: one Bot API call, or nothing to say.

        Raises NotAnUpdate, and Unavailable where the database does not do its part: then it shall come again. Any
        other fault is ours and would come again as well, so that the update is kept for another try, and Telegram told
        that we have it.
        """
        began = perf_counter()
        try:
            update = authentic.read(self.usernames.of(authentic.bot))
            self.metrics.update_of(authentic.bot, update.type).inc()
            if self.sightings and update.sender:
                self.sightings.note(update.sender.user_id, update.sender.name, update.sender.username)
            self.tracing.tell(bot=authentic.bot, update=update.type)
            if self.tracing.on and isinstance(update.content, PreCheckout | Charge):
                self._name_in_every_line(update.content)
            reply = await self._take(authentic, update, began)
        except (NotAnUpdate, Unavailable):
            raise
        except Exception as fault:
            await self._keep(authentic, type(fault).__name__, fault)
            return NO_CALL
        if not isinstance(update.content, PreCheckout):  # which writes no letter
            self.wake_relay()
        return reply

    async def _take(self, authentic: AuthenticUpdate, update: Update, began: float) -> bytes:
        match update.content:
            case PreCheckout():
                return await self._judge(update.content, update, began)
            case Charge():
                try:
                    await self.charges.submit(update.content)
                except Exception:
                    self._name_in_every_line(update.content)
                    raise
                self.metrics.payment_processing.observe(perf_counter() - began)
            case Refund():
                await self._run(self.record_refund, update.content)
            case ChatMessage():
                await self._run(self.answer_message, update.content)
            case ButtonPress():
                toast = await self._run(self.answer_press, update.content)
                if update.query_id:
                    return self.replies.callback(update.query_id, toast, update.language)
            case Unreadable():
                await self._keep(authentic, update.content.problem)
                if update.query_id and update.type == "pre_checkout_query":
                    return self.replies.pre_checkout(update.query_id, Objection.BAD_PAYLOAD, update.language)
            case Ignored():
                log.debug("update.ignored", bot=authentic.bot, type=update.type, reason=update.content.reason)
        return NO_CALL

    async def _keep(self, authentic: AuthenticUpdate, problem: str, fault: Exception | None = None) -> None:
        report = Report(source=Source.TELEGRAM_UPDATE, bot=authentic.bot, body=authentic.body)
        await self._run(self.keep_report, report, problem, fault)

    def _name_in_every_line(self, money: PreCheckout | Charge) -> None:
        """Whatever is logged of this request from here on says whose purchase, which plan, how much. Where nothing
        goes wrong, and no trace is kept, there is nothing to log here: it costs the verifying of a signature."""
        terms = signed_terms(self.judge_pre_checkouts.shop.signer, money.payload, money.bot)
        self.tracing.tell(
            invoice_id=terms.invoice_id if terms else None,
            charge_id=money.charge_id if isinstance(money, Charge) else None,
        )
        bound.bind(
            user_id=money.payer,
            plan_code=terms.plan_code if terms else None,
            amount=money.paid.amount,
            currency=money.paid.currency,
        )

    async def _judge(self, query: PreCheckout, update: Update, began: float) -> bytes:
        left_s = self.deadline_s - (perf_counter() - began)
        try:
            async with asyncio.timeout(left_s):
                objection = await self.pre_checkouts.submit(query)
        except Exception as error:
            self._name_in_every_line(query)
            log.error("pre_checkout.failed", problem=type(error).__name__, exc_info=error)
            self.metrics.errors.labels(query.bot).inc()
            objection = self.judge_pre_checkouts.undecided(query)
        self.metrics.precheck_seconds.observe(perf_counter() - began)
        return self.replies.pre_checkout(query.query_id, objection, update.language)

    async def _run(self, use_case: Callable[..., Answer], *arguments: object) -> Answer:
        context = copy_context()  # so that log lines written on the thread bear the request's id
        return await asyncio.get_running_loop().run_in_executor(self.threads, context.run, use_case, *arguments)

    def close(self) -> None:
        """Let running use cases end, and start none that still wait."""
        self.threads.shutdown(cancel_futures=True)
        self.charges.close()
        self.pre_checkouts.close()


@post("/api/v1/telegram/{bot:str}/webhook", status_code=200)
async def receive_update(
    request: AnyRequest, bot: FromPath[str], door: Handed[Door], desk: Handed[UpdateDesk]
) -> Response[bytes]:
    return Response(await take_update(request, bot, door, desk), media_type="application/json")


@post("/api/v1/telegram/webhook", status_code=200)
async def receive_update_of_main(request: AnyRequest, door: Handed[Door], desk: Handed[UpdateDesk]) -> Response[bytes]:
    return Response(await take_update(request, "main", door, desk), media_type="application/json")


async def take_update(request: Arriving, bot: str, door: Door, desk: UpdateDesk) -> bytes:
    """The reply, by whichever way the request came."""
    authentic = await door.admit(request, bot)
    try:
        return await desk.take(authentic)
    except Exception:
        desk.metrics.errors.labels(authentic.bot).inc()
        raise
