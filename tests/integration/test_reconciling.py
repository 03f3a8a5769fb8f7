"""What nobody told us of is found in the providers' own ledgers, and settled as if we had been told."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.buying import buy, entitlements_of, invoice_for, newcomer, payments_of, settled, told
from tests.integration.conftest import set_webhook, set_webhooks
from tests.integration.sandbox_server import BOT_TOKEN, SandboxServer
from tests.integration.service import Service, eventually, only
from tests.integration.stripe_buying import buy_by_stripe, page_for, stripe_settings

CALM = {"RECONCILE_EVERY_SECONDS": "0"}


@pytest.fixture(autouse=True)
def _a_new_day(telegram: SandboxServer) -> None:
    telegram.reset()


@pytest.fixture
def shop(telegram: SandboxServer, tmp_path: Path) -> Iterator[Service]:
    """By Stars and by Stripe; it compares ledgers only when told to."""
    with Service(tmp_path, telegram.url, stripe_settings(telegram.stripe, **CALM)) as running:
        set_webhooks(telegram, running)
        running.run("reconcile")  # our time here begins
        yield running


def forget_updates(telegram: SandboxServer) -> None:
    """As after a day in which nobody took them."""
    telegram.call("deleteWebhook", {"drop_pending_updates": True}, token=BOT_TOKEN)


def statuses(service: Service, users: list[int]) -> set[tuple[str, ...]]:
    return {tuple(payment["status"] for payment in payments_of(service, user)) for user in users}


def test_all_that_was_paid_while_we_were_away_is_settled_by_one_reconciliation(
    shop: Service, telegram: SandboxServer
) -> None:
    by_stars = [newcomer(telegram) for _ in range(120)]
    by_stripe = [newcomer(telegram) for _ in range(20)]
    invoices = [invoice_for(shop, user) for user in by_stars]
    pages = [page_for(shop, user) for user in by_stripe]
    telegram.stripe.faults(hold_events=True)
    shop.kill()
    for user, sent in zip(by_stars, invoices, strict=True):
        assert telegram.pay(user, sent["telegram_message_id"], skip_pre_checkout=True).status == "paid"
    for page in pages:
        assert telegram.stripe.pay(page["session_id"]).status == "paid"
    forget_updates(telegram)
    shop.start()
    assert statuses(shop, by_stars + by_stripe) == {()}

    dry = shop.run("reconcile", "--dry-run", check=False)
    assert "120 payments that we did not know; they would be repaired" in dry.stdout, dry
    assert statuses(shop, by_stars + by_stripe) == {()}
    ran = shop.run("reconcile", check=False)

    assert ran.returncode == 0, ran
    assert "120 payments that we did not know" in ran.stdout
    assert "20 payments that we did not know" in ran.stdout
    assert ran.stdout.endswith("Everything found is settled.\n")
    assert statuses(shop, by_stars + by_stripe) == {("granted",)}
    assert all(len(entitlements_of(shop, user)) == 1 for user in by_stars + by_stripe)
    told(telegram, by_stars[0], "paid. Thank you.")
    again = shop.run("reconcile")
    assert again.stdout.count("Nothing is missing on either side.") == 2


def test_a_report_that_comes_after_all_changes_nothing(shop: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    sent = invoice_for(shop, ada)
    telegram.faults(hold_deliveries=True)
    telegram.pay(ada, sent["telegram_message_id"], skip_pre_checkout=True)
    shop.run("reconcile")
    assert statuses(shop, [ada]) == {("granted",)}

    telegram.faults()
    settled(telegram)

    assert statuses(shop, [ada]) == {("granted",)}
    assert len(entitlements_of(shop, ada)) == 1
    assert not shop.log_lines("payment.conflicted")


def test_refunds_and_chargebacks_that_only_the_ledgers_show_end_access(shop: Service, telegram: SandboxServer) -> None:
    ada, bob, carol, dave = (newcomer(telegram) for _ in range(4))
    charges = [buy(shop, telegram, user).charge_id for user in (ada, bob)]
    paid, disputed = (buy_by_stripe(shop, telegram, user) for user in (carol, dave))
    telegram.faults(hold_deliveries=True)
    telegram.stripe.faults(hold_events=True)
    telegram.refund(charges[0])
    telegram.charge_back(charges[1])
    telegram.stripe.refund(paid.payment_intent)
    for step in ("open", "withdraw"):
        telegram.stripe.dispute(disputed.payment_intent, step)
    forget_updates(telegram)
    telegram.faults()

    ran = shop.run("reconcile", check=False)

    assert statuses(shop, [ada, bob, carol]) == {("refunded",)}, ran
    assert not any(shop.allowed(user, "signals") for user in (ada, bob, carol, dave))


def test_stars_that_vanish_without_an_entry_are_told(shop: Service, telegram: SandboxServer) -> None:
    ada = newcomer(telegram)
    paid = buy(shop, telegram, ada)
    telegram.charge_back(paid.charge_id, listed=False)

    ran = shop.run("reconcile", "--json", check=False)

    assert ran.returncode == 1
    assert json.loads(ran.stdout)["ledgers"]["stars:main"]["drift"] == 1250


def test_a_provider_that_is_away_is_told_and_the_other_is_compared_all_the_same(
    shop: Service, telegram: SandboxServer
) -> None:
    telegram.stripe.faults(api_5xx=-1)

    ran = shop.run("reconcile", check=False)

    telegram.stripe.faults()
    assert ran.returncode == 1
    assert "stripe: could not be read" in ran.stderr
    assert "stars:main: 0 entries read" in ran.stdout
    assert ran.stdout.endswith("What was found in the others is settled.\n")


def test_nonsense_for_a_day_is_refused(shop: Service) -> None:
    ran = shop.run("reconcile", "--since", "yesterday", check=False)

    assert ran.returncode == 2
    assert "is no day and no time" in ran.stderr
    assert shop.run("reconcile", "--since", "2026-01-01").returncode == 0


def test_what_was_missed_is_found_by_itself_within_moments(telegram: SandboxServer, tmp_path: Path) -> None:
    with Service(tmp_path, telegram.url, {"RECONCILE_EVERY_SECONDS": "1"}) as shop:
        set_webhook(telegram, shop)
        ada = newcomer(telegram)
        sent = invoice_for(shop, ada)
        eventually(lambda: shop.log_lines("ledger.compared"))
        telegram.faults(hold_deliveries=True)
        telegram.pay(ada, sent["telegram_message_id"], skip_pre_checkout=True)

        eventually(lambda: statuses(shop, [ada]) == {("granted",)})

        telegram.faults()
        settled(telegram)
        assert only(payments_of(shop, ada))["status"] == "granted"
        assert shop.metrics()['reconcile_repaired_total{kind="granted"}'] == 1
