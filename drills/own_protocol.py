"""Over Telegram's own protocol: connections break at any moment, and the process that listens dies."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Final

from drills.crowd import at_once
from drills.stage import PRE_CHECKOUT_DEADLINE_S, TIME_SCALE, Figures, Stage, Violated, steady_port
from tests.integration.buying import ask, newcomer, rows
from tests.integration.sandbox_server import SandboxServer
from tests.integration.service import CATALOG, LOOPBACK, Service, eventually

PLAN: Final = "day_pass"
TAKEN_OVER_WITHIN_S: Final = 10.0
BETWEEN_BREAKS_S: Final = (0.1, 1.5)
PRESSES: Final = 20


def broken_connections(stage: Stage, purchases: int) -> Figures:
    """Over MTProto people buy while the connection is broken at any moment."""
    done, broken = threading.Event(), 0

    def break_connections(telegram: SandboxServer) -> None:
        nonlocal broken
        while not done.wait(random.uniform(*BETWEEN_BREAKS_S)):
            broken += telegram.drop_connections()

    with _telegram(stage) as telegram, _services(stage, telegram, 1) as (service,):
        breaking = threading.Thread(target=break_connections, args=(telegram,), daemon=True)
        breaking.start()
        try:
            users = [newcomer(telegram) for _ in range(purchases)]
            at_once(lambda user: _buy(service, telegram, user), users)
        finally:
            done.set()
            breaking.join()
        figures = _books(telegram, service, purchases)
    return {"connections broken": broken, **figures}


def killed_listener(stage: Stage, kills: int) -> Figures:
    """Over MTProto the process that listens is killed with -9, and the one that stands by takes over."""
    took: list[float] = []
    with _telegram(stage) as telegram, _services(stage, telegram, 2) as services:
        for number in range(kills):
            eventually(lambda: sorted(_state(service) for service in services) == ["connected", "standing by"])
            listening, other = sorted(services, key=_state)
            user = newcomer(telegram)
            message_id = ask(other, user, PLAN).raise_for_status().json()["telegram_message_id"]
            listening.kill()
            died_at = time.monotonic()
            telegram.pay(user, message_id, skip_pre_checkout=True)
            eventually(lambda other=other: _state(other) == "connected")
            took.append(time.monotonic() - died_at)
            listening.start()
            stage.progress(number + 1, kills, "kills")
        figures = _books(telegram, services[0], kills)
    if max(took) > TAKEN_OVER_WITHIN_S and not stage.progress.silent:
        raise Violated(f"taken over after {max(took):.1f} s")
    return {"kills": kills, **figures, "taken over, median": f"{median(took):.1f} s", "longest": f"{max(took):.1f} s"}


def _buy(service: Service, telegram: SandboxServer, user: int) -> None:
    """Who gets no invoice, or no answer, tries again."""

    def paid() -> bool:
        answer = ask(service, user, PLAN)
        if not answer.is_success or not telegram.invoices(user):
            return False
        return telegram.pay(user, telegram.last_invoice(user)["message_id"]).status == "paid"

    eventually(paid, within_s=PRESSES * PRE_CHECKOUT_DEADLINE_S)


def _books(telegram: SandboxServer, service: Service, purchases: int) -> Figures:
    """Raises Violated unless each charge that Telegram took is granted once here."""
    taken = [charge["charge_id"] for charge in telegram.ledger()]
    database = "SELECT charge_id, status FROM payments"
    eventually(lambda: len(rows(service, database)) >= len(taken), within_s=60)
    kept = {row["charge_id"]: row["status"] for row in rows(service, database)}
    lost = [charge for charge in taken if kept.get(charge) != "granted"]
    doors = rows(service, "SELECT payment_id FROM entitlements")
    if lost or len(kept) != len(taken) or len(doors) != len(taken) or len(taken) != purchases:
        raise Violated(f"{len(taken)} taken, {len(kept)} kept, {len(doors)} granted, lost: {lost[:5]}")
    return {"charges": len(taken), "lost": 0, "doubled": 0}


def _state(service: Service) -> str:
    return str(LOOPBACK.get(f"{service.url}/health/ready", timeout=10).json()["telegram"]["main"])


@contextmanager
def _telegram(stage: Stage) -> Iterator[SandboxServer]:
    with SandboxServer(
        time_scale=TIME_SCALE,
        pre_checkout_deadline_s=PRE_CHECKOUT_DEADLINE_S,
        messages_per_second=10_000,
        chat_messages_per_second=1000,
        chat_burst=1000,
        mtproto_port=0,
        mtproto_key_path=str(stage.folder / "telegram.pem"),
    ) as telegram:
        yield telegram


@contextmanager
def _services(stage: Stage, telegram: SandboxServer, number: int) -> Iterator[list[Service]]:
    """Processes on one database, each in its folder; none compares the ledger, which would mend in silence."""
    settings = {
        **telegram.mtproto_settings,
        "RECONCILE_EVERY_SECONDS": "0",
        "PURCHASE_ATTEMPTS_PER_MINUTE": "1000",
        "DATABASE_URL": f"sqlite:///{stage.folder}/process-0/tollgram.db",
    }
    with ExitStack() as stack:
        services = []
        for place in range(number):
            folder: Path = stage.folder / f"process-{place}"
            folder.mkdir()
            (folder / "catalog.toml").write_text(CATALOG)
            service = Service(
                folder,
                telegram.url,
                settings,
                port=steady_port(),
                measured=False,
                fresh=not stage.progress.silent,
            )
            services.append(stack.enter_context(service))
        yield services
