"""Processes, disks and databases die, and no money is lost: the drills of `make drill`, each in a small form."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from drills.checker import Verdict, judge
from drills.lost_databases import NoMount
from drills.run import DRILLS
from drills.stage import Figures, Stage, Violated, require, stage
from tests.integration.buying import buy, newcomer
from tests.integration.service import Service
from tests.integration.stripe_buying import buy_by_stripe

NEEDS_A_MOUNT = ("sqlite-disk-full",)
OF_REFUNDS = "refund-timeouts"
OF_BACKUPS = ("backup-on-sqlite",)
OTHERS = sorted(
    name for name, drill in DRILLS.items() if drill.short and name not in (*NEEDS_A_MOUNT, *OF_BACKUPS, OF_REFUNDS)
)


def drill(name: str) -> Figures:
    with stage(name, silent=True) as place:
        return DRILLS[name].run(place, DRILLS[name].short)


@pytest.mark.parametrize("name", OTHERS)
def test_whatever_dies_each_charge_is_settled_once(name: str) -> None:
    figures = drill(name)
    assert figures["lost"] == 0
    assert figures["letters" if "letters" in figures else "charges"] > 0


@pytest.mark.parametrize("name", NEEDS_A_MOUNT)
def test_a_disk_that_is_gone_or_full_costs_nobody_anything(name: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    try:
        figures = drill(name)
    except NoMount as reason:
        pytest.skip(f"no file system can be mounted here: {reason}")
    assert figures["charges"] > 0
    assert figures["lost"] == 0


@pytest.mark.threat(50)
@pytest.mark.parametrize("name", OF_BACKUPS)
def test_after_a_backup_is_restored_all_is_as_without_and_nothing_is_granted_twice(name: str) -> None:
    figures = drill(name)
    assert figures["forgotten"] > 0
    assert (figures["lost"], figures["doubled"]) == (0, 0)


@pytest.mark.threat(27)
def test_a_refund_that_nobody_answers_at_any_step_is_made_once() -> None:
    figures = drill(OF_REFUNDS)
    assert figures["given back"] == figures["refunds"] == DRILLS[OF_REFUNDS].short
    assert figures["asked for again though done"] == 0


# What judges them must be able to say no -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def theatre() -> Iterator[Stage]:
    with stage("judged", silent=True) as place:
        yield place


def tamper(service: Service, *statements: str) -> None:
    """Behind the service's back, with its own safeguards off."""
    with closing(sqlite3.connect(service.folder / "tollgram.db", timeout=5)) as database:
        database.execute("PRAGMA foreign_keys = OFF")
        for statement in statements:
            database.execute(statement)
        database.commit()


def test_the_judge_sees_what_is_lost_doubled_or_wrong(theatre: Stage) -> None:
    telegram = theatre.telegram
    with theatre.service() as service:
        ada, bob, carol, dave, eve = (newcomer(telegram) for _ in range(5))
        ada_paid, bob_paid = (buy(service, telegram, user, "day_pass") for user in (ada, bob))
        carol_paid = buy_by_stripe(service, telegram, carol)
        buy(service, telegram, dave, "day_pass")
        assert_holds(judge(telegram, service), charges=4)

        telegram.forge_payment(eve, amount=75, payload="forged", charge_id="never-taken")
        telegram.faults(hold_deliveries=True)
        telegram.stripe.faults(lose_events=-1)
        telegram.refund(bob_paid.charge_id)
        telegram.stripe.refund(carol_paid.payment_intent)
        tamper(
            service,
            f"DELETE FROM payments WHERE charge_id = '{ada_paid.charge_id}'",
            f"UPDATE entitlements SET starts_at = '2001' || substr(starts_at, 5) WHERE user_id = {dave}",
        )
        verdict = judge(telegram, service)

    told = "\n".join(verdict.wrong)
    assert verdict.lost == [ada_paid.charge_id]
    assert f"{bob_paid.charge_id}: given back at the provider, granted here" in told
    assert f"{carol_paid.payment_intent}: given back at the provider, granted here" in told
    assert f"user {bob}: may come in, with 0 charges" in told
    assert "never-taken: on record, and never taken" in told
    assert f"user {dave}: day_pass for" in told
    assert {f"user {bob}", f"user {carol}"} <= set(verdict.doubled), "more doors than charges"
    with pytest.raises(Violated, match="taken, and not on record"):
        require(verdict)


def assert_holds(verdict: Verdict, *, charges: int) -> None:
    assert (verdict.charges, verdict.wrong) == (charges, [])
