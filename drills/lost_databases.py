"""The database goes: its primary dies and a standby takes over, it is away and comes back, its disk is gone or full."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from drills.checker import payments
from drills.crowd import Crowd, quiet
from drills.stage import Figures, Stage, require
from tests.integration.sandbox_server import Json
from tests.integration.service import LOOPBACK, Service, eventually
from tests.standby import mortal_postgres, running_pair

BETWEEN_FAILOVERS: Final = 8
ENDS: Final = {"stopped at once": signal.SIGQUIT, "kill -9": signal.SIGKILL, "hung": signal.SIGSTOP}
WHILE_AWAY_S: Final = 1.5
DISK_MIB: Final = 48
LITTLE_ROOM_MIB: Final = 32
"""The write-ahead log alone takes some four."""


class NoMount(Exception):
    """This machine lets nobody mount a file system here; `str()` says why."""


def failovers(stage: Stage, number: int) -> Figures:
    """The primary is killed or hangs, and its synchronous standby promoted; the service follows by its address."""
    took: dict[str, list[float]] = {kind: [] for kind in ENDS}
    acknowledged: set[int] = set()
    with running_pair() as pair, stage.service({"DATABASE_URL": pair.url}) as service:
        stage.telegram.faults(deliver_concurrently=2)
        with Crowd(stage.telegram, [service]) as crowd:
            for done in range(number):
                crowd.wait_for(BETWEEN_FAILOVERS)
                kind = list(ENDS)[done % len(ENDS)]
                pair.kill_primary(ENDS[kind])
                acknowledged |= {update["update_id"] for update in _delivered(stage)}
                pair.promote()
                took[kind].append(_until_ready(service))
                crowd.wait_for(1)
                pair.attach()
                stage.progress(done + 1, number, f"failovers, {crowd.paid} paid")
        stage.telegram.faults()
        quiet(stage.telegram, service)
        verdict = stage.judge(service)
        settled = {record["charge_id"] for record in payments(service)}
        lost = [one for one in _delivered(stage) if one["update_id"] in acknowledged and _charge(one) not in settled]
    require(verdict, no_acknowledged_charge_was_lost=not lost)
    return {
        "failovers": number,
        "acknowledged before one": len(acknowledged),
        "of these lost": len(lost),
        **verdict.figures,
        **{f"followed, {kind}, longest": f"{max(times):.2f} s" for kind, times in took.items() if times},
    }


def _delivered(stage: Stage) -> list[Json]:
    """News of payments that the service has answered with 200."""
    return [
        update for update in stage.telegram.updates("message") if update["state"] == "delivered" and _charge(update)
    ]


def _charge(update: Json) -> str:
    paid = update["update"]["message"].get("successful_payment", {})
    return str(paid.get("telegram_payment_charge_id", ""))


def _ready(service: Service) -> bool:
    try:
        return LOOPBACK.get(f"{service.url}/health/ready", timeout=10).is_success
    except httpx.TransportError:
        return False


def postgresql_away(stage: Stage, times: int) -> Figures:
    """PostgreSQL is killed and comes back on the same data; meanwhile nobody is charged and nothing is forgotten."""
    took = []
    with mortal_postgres() as server:
        url = f"postgresql://tollgram@127.0.0.1:{server.port}/postgres"
        with stage.service({"DATABASE_URL": url}) as service:
            with Crowd(stage.telegram, [service]) as crowd:
                for done in range(times):
                    crowd.wait_for(BETWEEN_FAILOVERS)
                    server.kill(signal.SIGKILL if done % 2 else signal.SIGQUIT)
                    eventually(lambda: not _ready(service))
                    time.sleep(WHILE_AWAY_S)
                    server.start()
                    took.append(_until_ready(service))
                    stage.progress(done + 1, times, f"times away, {crowd.paid} paid")
            quiet(stage.telegram, service)
            verdict = stage.judge(service)
    require(verdict)
    return {"times": times, **verdict.figures, "ready again, longest": f"{max(took):.2f} s"}


def _until_ready(service: Service) -> float:
    began = time.monotonic()
    eventually(lambda: _ready(service))
    return time.monotonic() - began


def sqlite_disk_away(stage: Stage, times: int) -> Figures:
    """The disk under SQLite stops answering and comes back; then the service starts while there is no disk at all."""
    took = []
    with _disk(stage.folder) as disk, _on(stage, disk) as service:
        with Crowd(stage.telegram, [service]) as crowd:
            for done in range(times):
                crowd.wait_for(BETWEEN_FAILOVERS)
                disk.freeze()
                try:
                    time.sleep(WHILE_AWAY_S + 3 * (done % 2))
                finally:
                    disk.thaw()
                took.append(_until_ready(service))
                crowd.wait_for(1)
                service.kill()
                disk.unmount()
                service.start(ready=False)
                eventually(lambda: _answers(service))
                assert not _ready(service)
                disk.mount()
                took.append(_until_ready(service))
                stage.progress(done + 1, times, f"times away, {crowd.paid} paid")
        quiet(stage.telegram, service)
        verdict = stage.judge(service)
        service.stop()
    require(verdict)
    return {"times": 2 * times, **verdict.figures, "ready again, longest": f"{max(took):.2f} s"}


def _answers(service: Service) -> bool:
    try:
        return LOOPBACK.get(f"{service.url}/health/live", timeout=5).is_success
    except httpx.TransportError:
        return False


def sqlite_disk_full(stage: Stage, times: int) -> Figures:
    """The disk under SQLite fills up to its last byte, and is emptied again."""
    refused = 0
    with _small_memory(stage.folder) as place, _on_folder(stage, place) as service:
        ballast = place / "ballast"
        with Crowd(stage.telegram, [service]) as crowd:
            for done in range(times):
                crowd.wait_for(BETWEEN_FAILOVERS)
                _fill(ballast)
                before = crowd.ended["no invoice"]
                eventually(lambda before=before: crowd.ended["no invoice"] > before)
                time.sleep(WHILE_AWAY_S)
                refused += crowd.ended["no invoice"] - before
                ballast.unlink()
                crowd.wait_for(1)
                stage.progress(done + 1, times, f"times full, {crowd.paid} paid")
        quiet(stage.telegram, service)
        verdict = stage.judge(service)
        service.stop()
    require(verdict)
    return {"times": times, "invoices refused meanwhile": refused, **verdict.figures}


def _fill(ballast: Path) -> None:
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(65536))
        except OSError:
            return


@contextmanager
def _on(stage: Stage, disk: "Disk") -> Iterator[Service]:
    with _on_folder(stage, disk.place) as service:
        yield service


@contextmanager
def _on_folder(stage: Stage, place: Path) -> Iterator[Service]:
    """Its log and catalog lie elsewhere: it is the database's disk that goes."""
    with stage.service({"DATABASE_URL": f"sqlite:///{place}/tollgram.db"}) as service:
        yield service


@dataclass(slots=True)
class Disk:
    """A file system in a file, which can stop answering: whoever writes to it then waits."""

    image: Path
    place: Path

    def mount(self) -> None:
        _run("mount", "-o", "loop", str(self.image), str(self.place))

    def unmount(self) -> None:
        _run("umount", str(self.place))

    def freeze(self) -> None:
        _run("fsfreeze", "--freeze", str(self.place))

    def thaw(self) -> None:
        _run("fsfreeze", "--unfreeze", str(self.place))


@contextmanager
def _disk(folder: Path) -> Iterator[Disk]:
    """Raises NoMount."""
    disk = Disk(folder / "disk.img", folder / "disk")
    disk.place.mkdir()
    _may_mount("mkfs.ext4", "fsfreeze")
    with disk.image.open("wb") as file:
        file.truncate(DISK_MIB << 20)
    _run("mkfs.ext4", "-q", str(disk.image))
    disk.mount()
    try:
        yield disk
    finally:
        disk.unmount()


@contextmanager
def _small_memory(folder: Path) -> Iterator[Path]:
    """Raises NoMount."""
    place = folder / "memory"
    place.mkdir()
    _may_mount()
    _run("mount", "-t", "tmpfs", "-o", f"size={LITTLE_ROOM_MIB}m", "drill", str(place))
    try:
        yield place
    finally:
        _run("umount", str(place))


def _may_mount(*programs: str) -> None:
    if os.geteuid() != 0:
        raise NoMount("only root may mount a file system")
    if missing := [name for name in ("mount", "umount", *programs) if shutil.which(name) is None]:
        raise NoMount(f"no {', '.join(missing)} here")


def _run(*command: str) -> None:
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise NoMount(f"{' '.join(command)}: {ran.stderr.strip()}")
