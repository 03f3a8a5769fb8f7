"""Which part runs where: servers on one core, load and database on the other."""

import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench import load
from tests.postgres import free_port

ROOT = Path(__file__).parents[1]
INSTALLED = str(ROOT / ".venv/bin/python")
"""Where the service is installed, without what its peers bring along and Litestar would load where it finds it."""
READY_WITHIN_S = 120.0
_UVICORN = ("-m", "uvicorn", "--factory", "--http", "httptools", "--log-level", "warning", "--no-access-log")
_AS_WE_SERVE = ("--no-proxy-headers", "--no-server-header")


def cores() -> tuple[int, int]:
    """That of the servers, and that of load and database; one and the same where there is only one."""
    mine = sorted(os.sched_getaffinity(0))
    return mine[0], mine[-1]


def stay_on(core: int) -> None:
    """This process, and whatever it starts from here on."""
    os.sched_setaffinity(0, {core})


def described() -> str:
    """What the figures were taken on."""
    with Path("/proc/cpuinfo").open() as told:
        model = next((line.partition(":")[2].strip() for line in told if line.startswith("model name")), "unknown")
    return f"{os.cpu_count()} cores ({model}), {platform.system()}, Python {platform.python_version()}"


_serving: set[int] = set()
"""Processes that rest while another is measured."""


@contextmanager
def alone(pid: int | None = None) -> Iterator[None]:
    """All that are served but this one rest: they share a core, and some have letters to carry for minutes yet."""
    others = [other for other in _serving if other != pid]
    for other in others:
        os.kill(other, signal.SIGSTOP)
    try:
        yield
    finally:
        for other in others:
            os.kill(other, signal.SIGCONT)


@dataclass(frozen=True, slots=True)
class Server:
    """A running HTTP server."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def asked(self, requests: Sequence[bytes]) -> load.Measured:
        with alone(self.pid):
            return load.measure(self.port, requests)

    def memory_mb(self) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


@contextmanager
def served(
    app: str,
    settings: Mapping[str, str],
    core: int,
    ready: str,
    *,
    where: str = sys.executable,
    rests: bool = True,
) -> Iterator[Server]:
    """An ASGI application, by the same server program for everybody. `rests`: while another is measured."""
    port = free_port()
    with program(
        [*_UVICORN, *_AS_WE_SERVE, "--port", str(port), app], settings, core, port, ready, where=where, rests=rests
    ) as server:
        yield server


@contextmanager
def program(
    arguments: Sequence[str],
    settings: Mapping[str, str],
    core: int,
    port: int,
    ready: str,
    *,
    where: str = sys.executable,
    rests: bool = True,
) -> Iterator[Server]:
    """One Python process that listens on that port, once it answers at `ready`."""
    environment = {**os.environ, **settings, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [where, *arguments], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
    )
    os.sched_setaffinity(process.pid, {core})
    try:
        _wait_for(process, f"http://127.0.0.1:{port}{ready}")
        if rests:
            _serving.add(process.pid)
        yield Server(port, process.pid)
    finally:
        _serving.discard(process.pid)
        process.terminate()
        process.wait()


def _wait_for(process: "subprocess.Popen[bytes]", url: str) -> None:
    until = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(url, trust_env=False).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise RuntimeError(f"{url} does not answer")
