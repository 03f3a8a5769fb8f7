"""The HTTP application: every route, and what each is handed."""

import asyncio
import gc
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp

from adapters.telemetry.tracing import Tracing
from domain.errors import Refusal
from entrypoints import shapes
from entrypoints.console.routes import routes as console_routes
from entrypoints.container import Container
from entrypoints.http import (
    billing,
    checks,
    feed,
    grants,
    openapi,
    operations,
    passports,
    payment_lists,
    payments,
    purchases,
    stopping,
    stripe_webhook,
    webhook,
)
from entrypoints.http.backstage import Backstage
from entrypoints.http.bodies import json_text, long_json_text
from entrypoints.http.counted import Counted
from entrypoints.http.headers import Arriving
from entrypoints.http.last_resort import LastResort
from entrypoints.http.methods import Options
from entrypoints.http.problems import fail, refuse, refuse_http
from entrypoints.http.request_ids import RequestIds
from entrypoints.http.shortcuts import Shortcut, Shortcuts
from entrypoints.receiving import listen

ROUTES: Sequence[Any] = (
    webhook.receive_update,
    webhook.receive_update_of_main,
    purchases.show_catalog,
    purchases.send_invoice,
    purchases.link_invoice,
    purchases.my_entitlements,
    purchases.my_payments,
    billing.open_checkout,
    billing.open_portal,
    billing.done,
    billing.cancelled,
    billing.returned,
    stripe_webhook.receive_stripe_event,
    *checks.ROUTES,
    *grants.ROUTES,
    *payment_lists.ROUTES,
    *payments.ROUTES,
    *feed.ROUTES,
    *passports.ROUTES,
    operations.live,
    operations.ready,
    operations.show_metrics,
    *openapi.ROUTES,
)


def create_app(container: Container) -> ASGIApp:
    """The application over what the container holds; its lifespan starts and stops the relay."""

    @asynccontextmanager
    async def running(_app: Litestar) -> AsyncIterator[None]:
        relay, desk, stripe_desk = container.relay(), container.update_desk(), container.stripe_desk()
        workers = [*container.workers(), *container.pushers()]
        feed_desk = container.feed_desk()
        shapes.get_ready()
        listen(container.listeners(), desk)  # before anything speaks
        relay.start()
        for worker in workers:
            worker.start()
        gc.collect()
        gc.freeze()  # what is there now stays: nobody has to wait while it is looked through for what might go
        try:
            with stopping.tells(feed_desk.close_from_any_thread):
                yield
        finally:
            gc.unfreeze()
            feed_desk.end()
            for bot in container.listeners().values():
                await asyncio.to_thread(bot.close)
            desk.close()
            container.check_desk().close()
            container.console().close()
            if stripe_desk:
                stripe_desk.close()
            container.order_desk().close()
            for worker in workers:
                worker.stop()
            relay.stop()
            container.checkout().close()
            for speaker in container.bots().values():
                speaker.close()
            container.engine().dispose()
            container.tracing().close()

    handed: Mapping[str, Callable[[], Any]] = {
        "callers": container.callers,
        "door": container.door,
        "desk": container.update_desk,
        "order_desk": container.order_desk,
        "shop": container.shop,
        "send_invoice": container.send_invoice,
        "link_invoice": container.link_invoice,
        "open_checkout": container.open_checkout,
        "open_portal": container.open_portal,
        "stripe_desk": container.stripe_desk,
        "settings": container.settings,
        "list_entitlements": container.list_entitlements,
        "list_payments": container.list_payments,
        "check_desk": container.check_desk,
        "grant_desk": container.grant_desk,
        "find_payments": container.find_payments,
        "show_payment": container.show_payment,
        "find_payment_events": container.find_payment_events,
        "payment_desk": container.payment_desk,
        "feed_desk": container.feed_desk,
        "passport_desk": container.passport_desk,
        "readiness": container.readiness,
        "metrics": container.metrics,
        "console": container.console,
        "books": container.books,
        "wicket": container.wicket,
        "today_desk": container.today_desk,
        "plan_desk": container.plan_desk,
        "event_desk": container.event_desk,
        "system_desk": container.system_desk,
    }
    app = Litestar(
        # Where nobody can sign in there is no console.
        route_handlers=[*ROUTES, *(console_routes() if container.settings().console_users else ())],
        dependencies={
            "json_text": Provide(json_text),
            "long_json_text": Provide(long_json_text),
            **{name: _always(provider()) for name, provider in handed.items()},
        },
        exception_handlers={Refusal: refuse, HTTPException: refuse_http, Exception: fail},
        lifespan=[running],
        openapi_config=None,
        logging_config=None,
        request_max_body_size=webhook.MAX_UPDATE_BYTES,
        debug=False,
    )
    backstage = Backstage(Shortcuts(Options(app), _shortcuts(container)), container.settings().operator_networks)
    counted = Counted(LastResort(backstage), container.metrics())
    return RequestIds(_traced(counted, container.tracing()))


def _traced(app: ASGIApp, tracing: Tracing) -> ASGIApp:
    if type(tracing) is Tracing:
        return app
    from entrypoints.http.traced import traced  # noqa: PLC0415 it loads OpenTelemetry

    return traced(app, tracing)


def _route(handler: Any) -> tuple[re.Pattern[str], str]:
    """The address of a handler of the framework's, and how it is called in the framework."""
    route = re.sub(r"\{(\w+):str\}", r"{\1}", handler.paths.copy().pop())
    return re.compile(re.sub(r"\{\w+\}", "([^/]+)", route)), route


def _shortcuts(container: Container) -> Sequence[Shortcut]:
    door, desk = container.door(), container.update_desk()
    callers, check_desk = container.callers(), container.check_desk()

    async def update(request: Arriving, bot: str) -> bytes:
        return await webhook.take_update(request, bot, door, desk)

    async def feature(request: Arriving, user_id: str, feature: str) -> bytes:
        return await checks.check_feature(request, user_id, feature, callers, check_desk)

    return (
        Shortcut("POST", *_route(webhook.receive_update), update),
        Shortcut("GET", *_route(checks.user_feature), feature),
    )


def _always(thing: Any) -> Provide:
    def give() -> Any:
        return thing

    return Provide(give, sync_to_thread=False)
