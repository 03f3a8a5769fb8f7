"""What nobody told us, and what a restored backup has forgotten, comes back by one `tollgram reconcile`."""

import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from drills.checker import doors, payments
from drills.crowd import PRESSES, at_once, bought, quiet, timed
from drills.stage import PRE_CHECKOUT_DEADLINE_S, Figures, Stage, require
from tests.integration.buying import invoice_for, newcomer
from tests.integration.sandbox_server import SandboxServer
from tests.integration.service import Service, eventually
from tests.integration.stripe_buying import page_for
from tests.postgres import binaries, running_postgres

Known = dict[str, tuple[str, int, int, str]]
"""By charge id: status, user, amount, currency."""
PART: Final = 100
KEPT: Final = "kept.backup"
RECONCILED_WITHIN_S: Final = 900.0


def dead_for_long(stage: Stage, each: int) -> Figures:
    """It dies just after it approved so many Stars payments, which are charged while it is down and whose news
    expires; as many Stripe sessions are paid, and Stripe's events are lost."""
    telegram = stage.telegram
    with stage.service() as service:
        service.run("reconcile")  # our time here begins
        pages = []
        for start in range(0, each, PART):
            many = range(min(PART, each - start))
            pages += at_once(lambda _: page_for(service, newcomer(telegram)), many)
            stage.progress(start + len(many), each, "pages of Stripe opened")
        telegram.faults(hold_charges=True)
        invoices: dict[int, int] = {}
        for start in range(0, each, PART):
            many = range(min(PART, each - start))
            new = dict(at_once(lambda _: _invoiced(telegram, service), many))
            _press_pay_until_approved(telegram, new)
            invoices |= new
            stage.progress(len(invoices), each, "payments by Stars approved")
        service.kill()
        telegram.stripe.faults(lose_events=-1)
        telegram.faults()
        at_once(lambda page: telegram.stripe.pay(page["session_id"]), pages)
        eventually(lambda: len(telegram.ledger()) == each, within_s=60)
        expired = telegram.let_expire()
        eventually(lambda: telegram.state()["waiting"] == 0)
        telegram.stripe.faults()
        service.start()
        unknown = 2 * each - len(payments(service))
        stage.progress(each, each, "paid while it was away; reconciling")
        took = timed(lambda: _reconcile(service))
        verdict = stage.judge(service)
    require(verdict, nobody_was_told_before=unknown == 2 * each, all_news_expired=expired == each)
    return {"unknown before": unknown, **verdict.figures, "one reconcile": f"{took:.1f} s"}


def _invoiced(telegram: SandboxServer, service: Service) -> tuple[int, int]:
    """Somebody new, and the message of their invoice."""
    user = newcomer(telegram)
    return user, invoice_for(service, user, "day_pass")["telegram_message_id"]


def _press_pay_until_approved(telegram: SandboxServer, invoices: Mapping[int, int]) -> None:
    """Each has the bot's yes in the end, and the money has not moved yet. Who gets no answer in time presses again."""
    for _ in range(PRESSES):
        waiting = sorted(set(invoices) - _approved(telegram))
        if not waiting:
            return
        at_once(lambda user: telegram.pay(user, invoices[user], wait=False), waiting)
        with suppress(AssertionError):
            eventually(
                lambda waiting=waiting: set(waiting) <= _approved(telegram), within_s=PRE_CHECKOUT_DEADLINE_S + 2
            )
    if missing := set(invoices) - _approved(telegram):
        raise AssertionError(f"{len(missing)} pre-checkouts were never approved")


def _approved(telegram: SandboxServer) -> set[int]:
    asked = {
        update["update"]["pre_checkout_query"]["id"]: update["user_id"]
        for update in telegram.updates("pre_checkout_query")
    }
    answers = [call for call in telegram.calls("answerPreCheckoutQuery") if call["status"] == 200]
    return {asked[call["arguments"]["pre_checkout_query_id"]] for call in answers if call["arguments"].get("ok")}


def _reconcile(service: Service) -> None:
    ran = service.run("reconcile", check=False, timeout_s=RECONCILED_WITHIN_S)
    if ran.returncode != 0:
        raise AssertionError(f"tollgram reconcile ended with {ran.returncode}:\n{ran.stdout}{ran.stderr}")


def backup_on_sqlite(stage: Stage, each: int) -> Figures:
    """A backup is made, more is bought and given back, and the backup is put back."""
    return _restored(stage, each, {"DATABASE_URL": f"sqlite:///{stage.folder}/tollgram.db"})


def backup_on_postgresql(stage: Stage, each: int) -> Figures:
    """The same on PostgreSQL."""
    programs = f"{binaries()}{os.pathsep}{os.environ['PATH']}"
    with running_postgres() as server, server.database() as url:
        return _restored(stage, each, {"DATABASE_URL": url, "PATH": programs})


def _restored(stage: Stage, each: int, settings: Mapping[str, str]) -> Figures:
    telegram = stage.telegram
    with stage.service(settings) as service:
        service.run("reconcile")
        early = bought(telegram, service, each)
        service.run("backup", KEPT)
        late = bought(telegram, service, each)
        given_back = (*early[:2], *late[:2])
        for charge in given_back:
            telegram.refund(charge) if charge.startswith("stx") else telegram.stripe.refund(charge)
        quiet(telegram, service)
        eventually(lambda: {_known(service)[charge][0] for charge in given_back} == {"refunded"})
        without = _known(service)
        open_before = _open(service, telegram)
        service.stop()
        service.run("restore", KEPT, "--force")
        service.start()
        forgotten = len(without) - len(_known(service))
        stage.progress(each, each, "restored; reconciling")
        took = timed(lambda: _reconcile(service))
        again = _known(service)
        open_after = _open(service, telegram)
        _reconcile(service)
        twice = _known(service)
        verdict = stage.judge(service)
    require(
        verdict,
        something_was_forgotten=forgotten >= each,
        every_charge_is_as_without_the_restore=again == without,
        every_door_is_as_without_the_restore=open_after == open_before,
        a_second_reconcile_changes_nothing=twice == again,
    )
    return {"forgotten": forgotten, **verdict.figures, "one reconcile": f"{took:.1f} s"}


def _known(service: Service) -> Known:
    return {
        record["charge_id"]: (record["status"], record["user_id"], record["amount"], record["currency"])
        for record in payments(service)
    }


def _open(service: Service, telegram: SandboxServer) -> dict[int, tuple[bool, timedelta]]:
    """By user: may they come in, and how much time do they hold."""
    users = sorted(int(user["id"]) for user in telegram.users())
    return {
        user: (
            allowed,
            sum(
                (
                    datetime.fromisoformat(span["expires_at"]) - datetime.fromisoformat(span["starts_at"])
                    for span in spans
                    if span["revoked_at"] is None
                ),
                timedelta(0),
            ),
        )
        for user, (spans, allowed) in doors(service, users).items()
    }
