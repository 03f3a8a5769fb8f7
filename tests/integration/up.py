"""`tollgram up`, as tests have it: in a folder of its own, on free ports, and none of its processes left behind."""

import os
import secrets
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.integration.service import CATALOG, INHERITED, TOLLGRAM, eventually, free_port

STOPS_WITHIN_S = 30
TASKS = Path("/proc")


@dataclass
class Up:
    """`tollgram up` in a folder of its own, on free ports."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    sandbox_port: int = field(default_factory=free_port)
    mark: str = field(default_factory=lambda: secrets.token_hex(16))
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> subprocess.Popen[bytes]:
        self.token_file.unlink(missing_ok=True)
        inherited = {name: value for name, value in os.environ.items() if name in INHERITED}
        measured = {name: value for name, value in os.environ.items() if name.startswith("COV")}
        with (self.folder / "up.log").open("ab") as log:
            process = subprocess.Popen(
                [*TOLLGRAM, "up", "--port", str(self.port), "--sandbox-port", str(self.sandbox_port)],
                cwd=self.folder,
                env={**inherited, **measured, **self.settings, "MARK_OF_THE_TEST": self.mark},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def ready(self) -> None:
        """Whoever leaves the token to try it with has nothing left to start."""
        eventually(self.token_file.exists, within_s=60)

    @property
    def token_file(self) -> Path:
        return self.folder / "var" / "demo-token"

    @property
    def secrets_file(self) -> Path:
        return self.folder / "var" / "secrets.env"

    @property
    def log(self) -> str:
        return (self.folder / "up.log").read_text()

    def living(self, command: str = "") -> list[int]:
        """Processes that came of it, by the mark in their environment; or those that run this command of ours."""
        found = []
        for task in TASKS.glob("[0-9]*"):
            try:
                environment, words = (task / "environ").read_bytes(), (task / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if f"MARK_OF_THE_TEST={self.mark}".encode() in environment and (not command or command.encode() in words):
                found.append(int(task.name))
        return found


@contextmanager
def watched(folder: Path) -> Iterator[Up]:
    if not (TASKS / "self" / "environ").exists():
        pytest.skip("without /proc nobody can tell which processes are left")
    (folder / "catalog.toml").write_text(CATALOG)
    one = Up(folder)
    yield one
    for process in one.started:
        if process.poll() is None:
            process.terminate()
            process.wait(STOPS_WITHIN_S)
    for left in one.living():
        os.kill(left, signal.SIGKILL)
