"""A service and its Telegram, running, for tests that look at them from outside."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.sandbox_server import BOT_TOKEN, SandboxServer
from tests.integration.service import WEBHOOK_SECRET, Service
from tests.integration.stripe_buying import stripe_settings


@pytest.fixture(scope="module")
def telegram() -> Iterator[SandboxServer]:
    """A Telegram of the module's own, that lets a bot say more in a second than the real one would."""
    with SandboxServer(time_scale=0.05, messages_per_second=1000, chat_messages_per_second=1000, chat_burst=1000) as it:
        yield it


@pytest.fixture(scope="module")
def service(telegram: SandboxServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service on SQLite, with its webhook set. Tests of one module share it: use users of your own."""
    with Service(tmp_path_factory.mktemp("service"), telegram.url) as running:
        set_webhook(telegram, running)
        yield running


@pytest.fixture
def postgres_service(telegram: SandboxServer, postgres_url: str, tmp_path: Path) -> Iterator[Service]:
    """The service on PostgreSQL, with a database of the test's own."""
    with Service(tmp_path, telegram.url, {"DATABASE_URL": postgres_url}) as running:
        set_webhook(telegram, running)
        yield running


@pytest.fixture(scope="module")
def stripe_service(telegram: SandboxServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service on SQLite with both of its ways to be paid: Stripe beside Telegram, in Stripe's test mode."""
    with Service(tmp_path_factory.mktemp("stripe"), telegram.url, stripe_settings(telegram.stripe)) as running:
        set_webhooks(telegram, running)
        yield running


def set_webhooks(telegram: SandboxServer, service: Service) -> None:
    """Telegram and Stripe report to this one."""
    set_webhook(telegram, service)
    telegram.stripe.set_webhook(service.stripe_webhook)


def set_webhook(telegram: SandboxServer, service: Service) -> None:
    telegram.call("setWebhook", {"url": service.webhook, "secret_token": WEBHOOK_SECRET}, token=BOT_TOKEN)
