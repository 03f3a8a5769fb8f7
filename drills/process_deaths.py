"""kill -9 of the service and of its relay, alone and among several processes on one database."""

import os
import random
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Final

import httpx

from drills.crowd import Crowd, at_once, quiet, timed
from drills.stage import Figures, Stage, Violated, require
from tests.integration.buying import ask, newcomer
from tests.integration.sandbox_server import Json
from tests.integration.service import Service, eventually
from tests.integration.stripe_buying import texts_to
from tests.integration.test_threat_clock_and_catalog import WrongClock
from tests.postgres import running_postgres

READY_WITHIN_S: Final = 3.0
BETWEEN_KILLS: Final = 3
"""Charges, at least; then it dies at any moment of the next fifth of a second."""
COMMANDS: Final = ("/help", "/status", "/terms", "/plans")
TALKERS: Final = 8
CLAIMS_RUN_OUT: Final = timedelta(seconds=61)


def service_on_sqlite(stage: Stage, kills: int) -> Figures:
    """kill -9 of the service on SQLite while people buy, by Stars and by Stripe."""
    return _killed_under_load(stage, kills, {})


def service_on_postgresql(stage: Stage, kills: int) -> Figures:
    """The same on PostgreSQL."""
    with running_postgres() as server, server.database() as url:
        return _killed_under_load(stage, kills, {"DATABASE_URL": url})


def _killed_under_load(stage: Stage, kills: int, settings: dict[str, str]) -> Figures:
    took: list[float] = []
    worked: list[float] = []
    with stage.service(settings) as service:
        stage.telegram.faults(deliver_concurrently=2)
        with Crowd(stage.telegram, [service], stripe_every=8) as crowd:
            for number in range(kills):
                crowd.wait_for(BETWEEN_KILLS)
                time.sleep(random.uniform(0, 0.2))
                service.kill()
                took.append(timed(service.start))
                worked.append(_cpu_s(service))
                stage.progress(number + 1, kills, f"kills, {crowd.paid} paid")
        stage.telegram.faults()
        quiet(stage.telegram, service)
        verdict = stage.judge(service)
    require(verdict)
    late = sum(each > READY_WITHIN_S for each in took)
    return {
        "kills": kills,
        **verdict.figures,
        "ready again, median": f"{median(took):.2f} s",
        "longest": f"{max(took):.2f} s",
        f"later than {READY_WITHIN_S:g} s": late,
        "of it at work, median": f"{median(worked):.2f} s",
    }


def _cpu_s(service: Service) -> float:
    """How long its process has worked so far: the part of a start that no busy neighbour makes longer."""
    if service.process is None:
        return 0.0
    _, _, after_name = Path(f"/proc/{service.process.pid}/stat").read_text().rpartition(") ")
    user, system = after_name.split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def relay(stage: Stage, kills: int) -> Figures:
    """kill -9 while letters are carried: each is said at least once, in order in each chat."""
    clock = WrongClock.made(stage.folder)
    with stage.service(clock.settings) as service:
        telegram = stage.telegram
        expected = _said_in_peace(stage, service)
        talkers: list[int] = []
        for number in range(kills):
            telegram.faults(api_delay_s=0.15, api_methods=["sendMessage"])
            new = [newcomer(telegram, f"Talker {number}-{place}") for place in range(TALKERS)]
            for command in COMMANDS:
                at_once(lambda user, command=command: telegram.say(user, command), new)  # type: ignore[misc]
            time.sleep(random.uniform(0.1, 0.8))
            service.kill()
            clock.go_ahead_by((number + 1) * CLAIMS_RUN_OUT)
            service.start()
            talkers += new
            stage.progress(number + 1, kills, "kills")
        telegram.faults()
        quiet(telegram, service)
        eventually(lambda: service.metrics().get("outbox_pending", -1.0) == 0, within_s=300)
        telegram.wait_idle()
        said = {user: texts_to(telegram, user) for user in talkers}
    unsaid = sum(len(set(expected) - set(texts)) for texts in said.values())
    out_of_order = sum(list(dict.fromkeys(texts)) != expected for texts in said.values())
    letters, sent = len(talkers) * len(COMMANDS), sum(map(len, said.values()))
    figures = {"kills": kills, "letters": letters, "lost": unsaid, "chats out of order": out_of_order}
    if unsaid or out_of_order:
        odd = next(texts for texts in said.values() if list(dict.fromkeys(texts)) != expected)
        raise Violated(f"{figures}\n    expected {expected}\n    and one was told {odd}")
    return figures | {"said twice": sent - letters}


def _said_in_peace(stage: Stage, service: Service) -> list[str]:
    """What each command is answered with, in order, where nothing goes wrong."""
    user = newcomer(stage.telegram)
    texts: list[str] = []
    for number, command in enumerate(COMMANDS, start=1):
        stage.telegram.say(user, command)
        eventually(lambda number=number: len(stage.telegram.bot_messages(user)) >= number)
        texts.append(stage.telegram.last_text(user))
    if len(set(texts)) != len(COMMANDS):
        raise Violated("the commands' answers can't be told apart")
    return texts


def two_on_sqlite(stage: Stage, charges: int) -> Figures:
    """Two processes on one SQLite file are told of each payment at once, and die in turn."""
    return _all_at_once(stage, charges, 2, f"sqlite:///{stage.folder}/shared.db")


def three_on_postgresql(stage: Stage, charges: int) -> Figures:
    """Three processes on one PostgreSQL."""
    with running_postgres() as server, server.database() as url:
        return _all_at_once(stage, charges, 3, url)


def _all_at_once(stage: Stage, charges: int, processes: int, database_url: str) -> Figures:
    telegram = stage.telegram
    with stage.services(processes, {"DATABASE_URL": database_url}) as services:
        telegram.faults(hold_deliveries=True)
        paid = at_once(lambda number: _paid_but_untold(stage, services[number % processes]), range(charges))
        telegram.faults()
        news = [update["update"] for update in telegram.updates("message") if update["update_id"] in set(paid)]
        deaths = 0
        for number, update in enumerate(news):
            if number % max(2, charges // (5 * processes)) == 1:
                victim = services[deaths % processes]
                victim.kill()
                victim.start(ready=False)
                deaths += 1
            at_once(lambda service, update=update: _tell(service, update), services)  # type: ignore[misc]
            stage.progress(number + 1, charges, f"charges told to {processes} processes")
        for service in services:
            service.wait_until_ready()
        quiet(telegram, services[0])
        verdict = stage.judge(services[-1])
    require(verdict, each_charge_was_told=len(news) == charges)
    return {"processes": processes, "kills": deaths, **verdict.figures}


def _paid_but_untold(stage: Stage, service: Service) -> int:
    """The update of a new charge, which Telegram holds back."""
    telegram = stage.telegram
    user = newcomer(telegram)
    sent: Json = ask(service, user, "day_pass").raise_for_status().json()
    outcome = telegram.pay(user, sent["telegram_message_id"], skip_pre_checkout=True)
    if outcome.update_id is None:
        raise Violated("a payment of which nobody would be told")
    return outcome.update_id


def _tell(service: Service, update: Json) -> None:
    with suppress(httpx.TransportError):  # it is dead at the moment; Telegram's own delivery comes again
        service.deliver(update)
