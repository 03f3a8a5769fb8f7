"""What is made of what: the only file that knows every concrete class."""

import random
import threading
from collections.abc import Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any

from dependency_injector import containers, providers
from sqlalchemy import Engine

from adapters.catalog_file import read_catalog
from adapters.clock import SystemClock
from adapters.ids import RandomIds
from adapters.passports.key_file import PassportKeyFile
from adapters.passports.signer import Ed25519Signer
from adapters.sql.column_types import POSTGRESQL
from adapters.sql.console import SqlConsole
from adapters.sql.engine import open_engine
from adapters.sql.event_book import SqlEventBook
from adapters.sql.figures import SqlFigures
from adapters.sql.gauges import SqlGauges
from adapters.sql.people import SqlPeople
from adapters.sql.queues import SqlQueues
from adapters.sql.register import SqlRegister
from adapters.sql.telegram_logins import SqlTelegramLogins
from adapters.sql.work import SqlUnitOfWork
from adapters.stripe.absent import NoCheckout
from adapters.stripe.account import is_live
from adapters.telegram.bot_api import BotApi
from adapters.telegram.calls import Bot
from adapters.telegram.messenger import BotApiMessenger
from adapters.telegram.replies import Replies
from adapters.telegram.star_ledger import BotApiStarLedger
from adapters.telegram.star_refunder import StarRefunder
from adapters.telegram.texts import Texts
from adapters.telegram.usernames import Usernames
from adapters.telemetry.journal import LoggingJournal
from adapters.telemetry.metrics import Metrics
from adapters.telemetry.tracing import Tracing
from adapters.tokens import Keys, KeySetAddress, KeySetFile, SharedSecret, TokenVerifier
from adapters.webhooks.receiver import HttpReceiver
from application.access import CheckFeature, CheckFeatures, ExplainFeature, ListEntitlements, ListPayments
from application.charge_story import TellCharge
from application.chat import AnswerMessage, AnswerPress
from application.checkout import CheckoutDesk, OpenCheckout, OpenPortal
from application.feed import NoteEnds, ReadFeed
from application.figures import ShowOverview, ShowPlans, SumUpFigures
from application.grants import GrantByHand, RevokeByHand
from application.histories import ShowPaymentHistory, ShowUser
from application.inbox import KeepReport, QuarantineUnprocessable, WorkInbox
from application.invitations import InvitingMessenger
from application.invoicing import LinkInvoice, SendInvoice
from application.outbox import DeliverOutbox
from application.passports import IssuePassport, ListRevocations
from application.payments import FindPaymentEvents, FindPayments, ShowPayment
from application.people import KeepPeople
from application.ports.checkout import Checkout
from application.ports.refunds import Refunder
from application.ports.surroundings import Clock, Ids, Journal
from application.pre_checkout import JudgePreCheckouts
from application.pushing import EnableEndpoint, PushEvents, ReplayEvents
from application.quarantine import GrantQuarantined, RefundQuarantined
from application.reconciliation import ReconcileStars, ReconcileStripe
from application.refund_orders import CarryRefunds, OrderRefund
from application.refund_requests import AnswerRefundRequest, RequestRefund
from application.refunds import RecordRefund
from application.search import Search
from application.settlement import SettleCharges
from application.shop import Shop
from application.standing import FollowCharge
from application.stripe_events import KeepStripeEvent
from application.updates import ForgetUpdates
from domain.catalog import Catalog, Method, Tills
from domain.ids import BotName
from domain.money import STARS
from domain.payload import PayloadSigner
from entrypoints.console.books import Books
from entrypoints.console.channels import Channels
from entrypoints.console.desk import Console
from entrypoints.console.events import EventDesk
from entrypoints.console.pages import Pages
from entrypoints.console.plans import PlanDesk
from entrypoints.console.sign_in import Wicket
from entrypoints.console.standing import TodayDesk
from entrypoints.console.system import SystemDesk
from entrypoints.console.visitors import Sessions
from entrypoints.http.billing import CANCELLED, DONE, RETURNED
from entrypoints.http.callers import Callers
from entrypoints.http.checks import CheckDesk, itself
from entrypoints.http.feed_desk import FeedDesk
from entrypoints.http.grants import GrantDesk
from entrypoints.http.lane import Lane
from entrypoints.http.operations import Readiness
from entrypoints.http.order_desk import OrderDesk
from entrypoints.http.passports import PassportDesk, RevocationDesk, keys_unreadable
from entrypoints.http.payments import PaymentDesk
from entrypoints.http.stripe_webhook import StripeDesk
from entrypoints.http.webhook import Door, UpdateDesk
from entrypoints.intake import ReportIntake
from entrypoints.readings import Readings
from entrypoints.receiving import Listener
from entrypoints.reconciler import Reconciler
from entrypoints.refunders import RefunderByMethod
from entrypoints.relay import Relay
from entrypoints.ringing import Bell, RingingJournal
from entrypoints.settings import Settings, SettingsError
from entrypoints.sightings import Sightings
from entrypoints.webhook_watch import EVERY_S, FIRST_AFTER_S, WebhookWatch
from entrypoints.worker import Worker


def _tracing(settings: Settings) -> Tracing:
    if settings.traces_to is None:
        return Tracing()
    from adapters.telemetry.otlp import OtlpTracing  # noqa: PLC0415 most have no collector

    return OtlpTracing(settings.traces_to, settings.traces_headers)


def _work(engine: Engine, tracing: Tracing) -> SqlUnitOfWork:
    return SqlUnitOfWork(engine, tracing.cause)


def _bots(settings: Settings, tracing: Tracing, work: SqlUnitOfWork, clock: Clock) -> Mapping[BotName, Bot]:
    if not settings.telegram_by_mtproto:
        return {
            name: BotApi(token, base=settings.telegram_api_base, around=tracing.span)
            for name, token in settings.bot_tokens.items()
        }
    from adapters.telegram.mtproto.bot import MtprotoBot  # noqa: PLC0415 Telethon is large
    from adapters.telegram.mtproto.line import TelegramApp  # noqa: PLC0415

    app = TelegramApp(
        api_id=settings.telegram_api_id,
        api_hash=settings.telegram_api_hash,
        server=settings.mtproto_server,
        dc_id=settings.mtproto_dc_id,
        key_path=settings.mtproto_key_path,
    )
    logins = SqlTelegramLogins(work)
    return {
        name: MtprotoBot(token, app, logins, clock, around=tracing.span) for name, token in settings.bot_tokens.items()
    }


def _listeners(settings: Settings, bots: Mapping[BotName, Any]) -> Mapping[BotName, Listener]:
    """Those that are told what happens by other ways than the webhook."""
    return bots if settings.telegram_by_mtproto else {}


def _speaking_bots(settings: Settings) -> list[BotName]:
    """Which of them speaks to a user who has talked to none is the first: main, where there is one."""
    return sorted(settings.bot_tokens, key=lambda name: (name != "main", name))


def _keys(settings: Settings) -> Keys:
    """Raises SettingsError for a key set that can't be read."""
    if settings.jwt_secret:
        return SharedSecret(settings.jwt_secret)
    jwks = settings.jwks or ""
    if jwks.startswith(("http://", "https://")):
        return KeySetAddress(jwks)
    try:
        return KeySetFile.read(Path(jwks))
    except ValueError as problem:
        raise SettingsError([f"AUTH_JWKS: {problem}"]) from None


def _passport_desk(settings: Settings, work: SqlUnitOfWork, clock: Clock, ids: Ids) -> PassportDesk | None:
    """Raises SettingsError for keys that can't be read."""
    if settings.passport_keys is None:
        return None
    try:
        keys = PassportKeyFile(settings.passport_keys, keys_unreadable)
    except ValueError as problem:
        raise SettingsError([f"PASSPORT_KEYS: {problem}; tollgram passport rotate makes the first key"]) from None
    signer = Ed25519Signer(keys, settings.public_url)
    return PassportDesk(
        keys=keys,
        clock=clock,
        issue=IssuePassport(work, clock, ids, signer),
        list_revocations=RevocationDesk(clock=clock, list_revocations=ListRevocations(work, clock, signer)),
    )


def _tills(settings: Settings) -> Tills:
    currencies = {}
    if settings.telegram_payment_enabled:
        currencies[Method.STARS] = STARS
        if settings.provider_token:
            currencies[Method.TELEGRAM] = settings.payment_currency
    if settings.stripe_secret_key:
        currencies[Method.STRIPE] = settings.stripe_currency
    return Tills(currencies=currencies)


def _price_map_is_known(settings: Settings, catalog: Catalog) -> None:
    """Raises SettingsError for a plan that is not in the catalog."""
    unknown = sorted(set(settings.stripe_price_map) - set(catalog.plans))
    if unknown:
        raise SettingsError([f"STRIPE_PRICE_MAP_JSON: names {', '.join(unknown)}, which the catalog does not have"])


def _checkout(settings: Settings, catalog: Catalog, tracing: Tracing) -> Checkout:
    """Stripe, or what stands in its place where it is not set up: no plan can then be paid by it."""
    if not settings.stripe_secret_key:
        return NoCheckout()
    _price_map_is_known(settings, catalog)
    from adapters.stripe.checkout import StripeCheckout  # noqa: PLC0415 Stripe's library is large

    return StripeCheckout(
        settings.stripe_secret_key,
        settings.stripe_api_base,
        price_map=settings.stripe_price_map,
        success_url=f"{settings.public_url}{DONE}",
        cancel_url=f"{settings.public_url}{CANCELLED}",
        around=tracing.span,
    )


def _stripe_desk(settings: Settings, **parts: Any) -> StripeDesk | None:
    if not settings.stripe_secret_key:
        return None
    return StripeDesk(secrets=settings.stripe_webhook_secrets, live=is_live(settings.stripe_secret_key), **parts)


def _refunder(stars: StarRefunder, checkout: Checkout) -> Refunder:
    """Telegram gives back Stars only: what was paid through a payment provider goes back there."""
    refunders: dict[Method, Refunder] = {Method.STARS: stars}
    if not isinstance(checkout, NoCheckout):
        from adapters.stripe.checkout import StripeCheckout  # noqa: PLC0415 Stripe's library is large
        from adapters.stripe.refunder import StripeRefunder  # noqa: PLC0415

        if isinstance(checkout, StripeCheckout):
            refunders[Method.STRIPE] = StripeRefunder(checkout.connection)
    return RefunderByMethod(refunders)


def _reconcile_stripe(
    settings: Settings, work: SqlUnitOfWork, clock: Clock, checkout: Checkout, journal: Journal
) -> ReconcileStripe | None:
    if isinstance(checkout, NoCheckout):
        return None
    from adapters.stripe.checkout import StripeCheckout  # noqa: PLC0415 Stripe's library is large
    from adapters.stripe.ledger import StripeLists  # noqa: PLC0415

    if not isinstance(checkout, StripeCheckout):
        return None
    ledger = StripeLists(checkout.connection, live=is_live(settings.stripe_secret_key))
    return ReconcileStripe(work, clock, ledger, journal)


def _automatic_refunds(settings: Settings) -> int:
    return settings.auto_refunds_per_hour if settings.auto_refund else 0


def _stripe_is_live(settings: Settings) -> bool | None:
    return is_live(settings.stripe_secret_key) if settings.stripe_secret_key else None


def _return_url(settings: Settings) -> str:
    return f"{settings.public_url}{RETURNED}"


def _signer(settings: Settings) -> PayloadSigner:
    return PayloadSigner([key.encode() for key in settings.signing_keys])


def _readings(database: SqlGauges, clock: Clock, settings: Settings, listeners: Mapping[BotName, Listener]) -> Readings:
    return Readings(database, clock, settings, listeners, started_at=clock.now())


def _metrics(readings: Readings, webhooks: WebhookWatch) -> Metrics:
    return Metrics(readings, webhooks.gauges, readings.of_disk)


def _webhook_watch(settings: Settings, bots: Mapping[BotName, Bot], clock: Clock) -> WebhookWatch:
    return WebhookWatch({} if settings.telegram_by_mtproto else bots, settings.webhook_address, clock)


def _channels(
    settings: Settings, webhooks: WebhookWatch, listeners: Mapping[BotName, Listener], clock: Clock
) -> Channels:
    return Channels(bots=tuple(settings.bot_tokens), webhooks=webhooks, listeners=listeners, started_at=clock.now())


def _pushers(settings: Settings, bell: Bell, **parts: Any) -> list[Worker]:
    """Two for each endpoint: one that is slow holds up no other, and one event that is slow no other."""
    pushers = []
    for endpoint in settings.event_endpoints:
        push = PushEvents(**parts, endpoint=endpoint, chance=random.random)
        pushers += [Worker(f"events-{endpoint.id}-{number}", push) for number in (1, 2)]
    for pusher in pushers:
        bell.listen(pusher.bell.set)
    return pushers


def _writers(engine: Engine) -> int:
    """How many batches of one kind are written at once: while PostgreSQL works on one, Python works on the other.
    SQLite has one writer, whom a second could only wait for."""
    return 2 if engine.dialect.name == POSTGRESQL else 1


def _console(database: SqlGauges, settings: Settings, clock: Clock, kept: SqlConsole) -> Console:
    return Console(
        sessions=Sessions(kept=kept, users=settings.console_users, clock=clock),
        kept=kept,
        clock=clock,
        pages=Pages(),
        public_url=settings.public_url,
        waiting=lambda: sum(database.quarantined().values()),
    )


def _readiness(database: SqlGauges, listeners: Mapping[BotName, Listener]) -> Readiness:
    return Readiness(database.schema_revision, database.expected_revision, listeners)


def _door(settings: Settings) -> Door:
    return Door(
        bots=frozenset(settings.bot_tokens),
        secrets=settings.webhook_secrets,
        networks=settings.telegram_networks,
        trusted_proxies=settings.trusted_proxies,
    )


class Container(containers.DeclarativeContainer):
    settings = providers.Dependency(instance_of=Settings)

    clock = providers.Singleton(SystemClock)
    ids = providers.Singleton(RandomIds)
    engine: providers.Provider[Engine] = providers.Singleton(open_engine, settings.provided.database_url)
    database = providers.Singleton(SqlGauges, engine)
    queues = providers.Singleton(SqlQueues, engine)
    tracing = providers.Singleton(_tracing, settings)
    work = providers.Singleton(_work, engine, tracing)
    bots = providers.Singleton(_bots, settings, tracing, work, clock)
    listeners = providers.Singleton(_listeners, settings, bots)
    webhook_watch = providers.Singleton(_webhook_watch, settings, bots, clock)
    readings = providers.Singleton(_readings, database, clock, settings, listeners)
    metrics = providers.Singleton(_metrics, readings, webhook_watch)
    refund_bell = providers.Singleton(threading.Event)
    feed_bell = providers.Singleton(Bell)
    journal = providers.Singleton(RingingJournal, providers.Singleton(LoggingJournal, metrics), refund_bell, feed_bell)

    texts = providers.Singleton(Texts, support_contact=settings.provided.support_contact)
    usernames = providers.Singleton(Usernames, bots)
    bot_api = providers.Singleton(
        BotApiMessenger, bots, texts, usernames, provider_token=settings.provided.provider_token
    )
    replies = providers.Singleton(Replies, texts)

    catalog = providers.Singleton(read_catalog, settings.provided.catalog_path)
    signer = providers.Singleton(_signer, settings)
    shop = providers.Singleton(
        Shop,
        catalog=catalog,
        tills=providers.Singleton(_tills, settings),
        ids=ids,
        signer=signer,
        time_to_live=settings.provided.invoice_ttl,
        attempts_per_minute=settings.provided.attempts_per_minute,
    )

    checkout = providers.Singleton(_checkout, settings, catalog, tracing)
    checkout_desk = providers.Singleton(CheckoutDesk, work, clock, shop, checkout, journal)
    messenger = providers.Singleton(
        InvitingMessenger, bot_api, checkout_desk, providers.Singleton(_return_url, settings)
    )
    open_checkout = providers.Singleton(OpenCheckout, checkout_desk)
    open_portal = providers.Singleton(OpenPortal, checkout_desk)

    send_invoice = providers.Singleton(SendInvoice, work, clock, shop, messenger, journal)
    link_invoice = providers.Singleton(LinkInvoice, work, clock, shop, messenger, journal)
    judge_pre_checkouts = providers.Singleton(
        JudgePreCheckouts, work, clock, shop, journal, settings.provided.telegram_payment_enabled
    )
    settle_charges = providers.Singleton(
        SettleCharges, work, clock, ids, shop, journal, providers.Callable(_automatic_refunds, settings)
    )
    writers = providers.Callable(_writers, engine)
    charges = providers.Singleton(
        Lane, "charges", settle_charges, attrgetter("key"), "charge_id", tracing, batches_at_once=writers
    )
    follow_charge = providers.Singleton(FollowCharge, work, clock, ids, journal)
    keep_stripe_event = providers.Singleton(KeepStripeEvent, work, clock, journal)
    record_refund = providers.Singleton(RecordRefund, work, clock, ids, journal)
    answer_message = providers.Singleton(AnswerMessage, work, clock, shop, journal)
    answer_press = providers.Singleton(AnswerPress, work, clock, shop, journal)
    keep_report = providers.Singleton(KeepReport, work, clock, journal)
    quarantine_charge = providers.Singleton(QuarantineUnprocessable, work, clock, ids, journal)
    order_refund = providers.Singleton(OrderRefund, work, clock, ids, journal)
    grant_quarantined = providers.Singleton(GrantQuarantined, work, clock, ids, shop, journal)
    refund_quarantined = providers.Singleton(RefundQuarantined, work, clock, journal)
    star_ledger = providers.Singleton(BotApiStarLedger, bots)
    refunder = providers.Singleton(_refunder, providers.Singleton(StarRefunder, bots, star_ledger), checkout)
    carry_refunds = providers.Singleton(CarryRefunds, work, clock, ids, refunder, journal)
    forget_updates = providers.Singleton(ForgetUpdates, work, clock)
    deliver_outbox = providers.Singleton(DeliverOutbox, work, clock, messenger, journal, tracing)
    check_features = providers.Singleton(CheckFeatures, work, clock)
    check_desk = providers.Singleton(
        CheckDesk,
        check=providers.Singleton(CheckFeature, work, clock),
        explain=providers.Singleton(ExplainFeature, work, clock),
        check_all=check_features,
        lane=providers.Singleton(Lane, "checks", check_features, itself, "feature", tracing, only_reads=True),
    )
    speaking_bots = providers.Callable(_speaking_bots, settings)
    grant_by_hand = providers.Singleton(GrantByHand, work, clock, ids, shop, journal, speaking_bots)
    revoke_by_hand = providers.Singleton(RevokeByHand, work, clock, ids, shop, journal, speaking_bots)
    grant_desk = providers.Singleton(GrantDesk, grant=grant_by_hand, revoke=revoke_by_hand)
    list_entitlements = providers.Singleton(ListEntitlements, work, clock)
    list_payments = providers.Singleton(ListPayments, work)
    find_payments = providers.Singleton(FindPayments, work)
    show_payment = providers.Singleton(ShowPayment, work)
    find_payment_events = providers.Singleton(FindPaymentEvents, work)
    tell_charge = providers.Singleton(TellCharge, work, clock)

    read_feed = providers.Singleton(ReadFeed, work, clock)
    feed_desk = providers.Singleton(FeedDesk, read_feed, feed_bell)
    receiver = providers.Singleton(HttpReceiver, private_allowed=settings.provided.event_private_allowed)
    enable_endpoint = providers.Singleton(EnableEndpoint, work, clock)
    replay_events = providers.Singleton(ReplayEvents, work, clock)
    pushers = providers.Singleton(
        _pushers, settings, feed_bell, work=work, clock=clock, receiver=receiver, journal=journal
    )

    figures = providers.Singleton(SqlFigures, work)
    register = providers.Singleton(SqlRegister, work, engine)
    people = providers.Singleton(SqlPeople, work)
    sightings = providers.Singleton(Sightings, providers.Singleton(KeepPeople, people), clock)
    show_overview = providers.Singleton(ShowOverview, figures, register, clock)
    show_plans = providers.Singleton(ShowPlans, figures, register, clock)
    search = providers.Singleton(Search, work, register, people)
    show_user = providers.Singleton(ShowUser, work, register, people, clock)
    show_payment_history = providers.Singleton(ShowPaymentHistory, work, people, clock)
    request_refund = providers.Singleton(
        RequestRefund, work, clock, ids, journal, settings.provided.second_operator_above
    )
    answer_refund_request = providers.Singleton(AnswerRefundRequest, work, clock, ids, journal)

    callers = providers.Singleton(
        Callers,
        tokens=providers.Singleton(
            TokenVerifier,
            keys=providers.Singleton(_keys, settings),
            audience=settings.provided.jwt_audience,
            issuer=settings.provided.jwt_issuer,
        ),
        bot_tokens=settings.provided.bot_tokens,
        clock=clock,
    )
    payment_desk = providers.Singleton(
        PaymentDesk,
        show=show_payment,
        order_refund=order_refund,
        grant=grant_quarantined,
        refund=refund_quarantined,
    )
    passport_desk = providers.Singleton(_passport_desk, settings, work, clock, ids)
    kept_by_console = providers.Singleton(SqlConsole, engine)
    console = providers.Singleton(_console, database, settings, clock, kept_by_console)
    wicket = providers.Singleton(
        Wicket,
        kept=kept_by_console,
        users=settings.provided.console_users,
        clock=clock,
        trusted_proxies=settings.provided.trusted_proxies,
    )
    books = providers.Singleton(
        Books,
        users=settings.provided.console_users,
        shop=shop,
        register=register,
        people=people,
        search=search,
        show_user=show_user,
        show_payment=show_payment_history,
        find_payments=find_payments,
        request_refund=request_refund,
        answer_refund=answer_refund_request,
        grant_quarantined=grant_quarantined,
        grant=grant_by_hand,
        revoke=revoke_by_hand,
    )
    channels = providers.Singleton(_channels, settings, webhook_watch, listeners, clock)
    today_desk = providers.Singleton(
        TodayDesk, show=show_overview, gauges=database, queues=queues, settings=settings, channels=channels
    )
    plan_desk = providers.Singleton(PlanDesk, show=show_plans, catalog=catalog, tills=shop.provided.tills)
    event_book = providers.Singleton(SqlEventBook, engine)
    event_desk = providers.Singleton(
        EventDesk,
        work=work,
        feed=read_feed,
        book=event_book,
        endpoints=settings.provided.event_endpoints,
        replay=replay_events,
        enable=enable_endpoint,
    )
    system_desk = providers.Singleton(SystemDesk, settings=settings, gauges=database, queues=queues, work=work)

    readiness = providers.Singleton(_readiness, database, listeners)
    door = providers.Singleton(_door, settings)
    order_desk = providers.Singleton(OrderDesk)
    relay = providers.Singleton(Relay, deliver_outbox, forget_updates, usernames)
    update_desk = providers.Singleton(
        UpdateDesk,
        judge_pre_checkouts=judge_pre_checkouts,
        pre_checkouts=providers.Singleton(
            Lane,
            "pre-checkouts",
            judge_pre_checkouts,
            attrgetter("query_id"),
            "query_id",
            tracing,
            batches_at_once=writers,
        ),
        charges=charges,
        record_refund=record_refund,
        answer_message=answer_message,
        answer_press=answer_press,
        keep_report=keep_report,
        metrics=metrics,
        tracing=tracing,
        replies=replies,
        usernames=usernames,
        wake_relay=relay.provided.wake,
        sightings=sightings,
    )
    stripe_desk = providers.Singleton(
        _stripe_desk,
        settings,
        clock=clock,
        checkout=checkout,
        charges=charges,
        record_refund=record_refund,
        follow_charge=follow_charge,
        keep_event=keep_stripe_event,
        keep_report=keep_report,
        wake_relay=relay.provided.wake,
    )
    intake = providers.Singleton(
        ReportIntake,
        clock=clock,
        settle=settle_charges,
        record_refund=record_refund,
        follow=follow_charge,
        answer_message=answer_message,
        answer_press=answer_press,
        keep_event=keep_stripe_event,
        quarantine_charge=quarantine_charge,
        checkout=checkout,
        usernames=usernames,
        live=providers.Callable(_stripe_is_live, settings),
        wake_relay=relay.provided.wake,
    )
    work_inbox = providers.Singleton(WorkInbox, work, clock, intake, journal, tracing)
    reconciler = providers.Singleton(
        Reconciler,
        work,
        clock,
        providers.Singleton(ReconcileStars, work, clock, ids, signer, star_ledger, journal),
        providers.Singleton(_reconcile_stripe, settings, work, clock, checkout, journal),
        providers.Callable(list, settings.provided.bot_tokens),
        settings.provided.reconcile_every,
    )
    workers: providers.Provider[list[Worker]] = providers.List(
        # A few of each, so that one that waits for a provider does not hold up the others.
        providers.Singleton(Worker, "inbox", work_inbox),
        providers.Singleton(Worker, "inbox-2", work_inbox),
        providers.Singleton(Worker, "inbox-3", work_inbox),
        providers.Singleton(Worker, "refunds", carry_refunds, refund_bell),
        providers.Singleton(Worker, "refunds-2", carry_refunds, refund_bell),
        providers.Singleton(Worker, "refunds-3", carry_refunds, refund_bell),
        providers.Singleton(Worker, "reconciler", reconciler),
        providers.Singleton(Worker, "ends", providers.Singleton(NoteEnds, work, clock, journal)),
        providers.Singleton(
            Worker,
            "webhooks",
            webhook_watch,
            idle_s=EVERY_S,
            first_after_s=FIRST_AFTER_S,
        ),
        providers.Singleton(Worker, "figures", providers.Singleton(SumUpFigures, figures, clock), idle_s=60.0),
        providers.Singleton(Worker, "people", sightings),
    )
