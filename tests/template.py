"""Processes of the real command that begin where others are after their first seconds: all is loaded already.

Most of a start is loading libraries, and the tests start hundreds of processes. One template a test process loads them
once and forks; what a fork then does, from reading its settings to listening, is what `tollgram` does. How it starts by
itself is shown where a test asks for a fresh process, as the drills and those of the commands do.
"""

import atexit
import contextlib
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
LOADED: Final = (
    "alembic.command",
    "alembic.runtime.migration",
    "entrypoints.cli",
    "entrypoints.container",
    "entrypoints.http.app",
    "entrypoints.http.connection",
    "entrypoints.http.server",
    "httptools",
    "httpx",
    "rich.progress",
    "uvicorn.lifespan.on",
    "uvicorn.loops.auto",
)
LONGEST_REQUEST: Final = 1 << 20
STARTS_WITHIN_S: Final = 120.0


class Forked:
    """A process, as `subprocess.Popen` has it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = threading.Event()

    def ended(self, code: int) -> None:
        self.returncode = code
        self._ended.set()

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if not self._ended.wait(timeout) or self.returncode is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Template:
    """The process that forks, as the tests see it."""

    def __init__(self) -> None:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.template", str(theirs.fileno())], cwd=ROOT, pass_fds=[theirs.fileno()]
        )
        theirs.close()
        self._one_at_a_time = threading.Lock()
        self._started = threading.Condition()
        self._newest: Forked | None = None
        self._living: dict[int, Forked] = {}
        threading.Thread(target=self._listen, daemon=True).start()

    def start(
        self, arguments: Sequence[str], *, folder: Path, environment: Mapping[str, str], out: int, err: int
    ) -> Forked:
        """Run `tollgram` with these arguments, as the leader of a session of its own. `out`, `err`: descriptors."""
        request = {"arguments": list(arguments), "folder": str(folder), "environment": dict(environment)}
        with self._one_at_a_time, self._started:
            self._newest = None
            socket.send_fds(self._channel, [json.dumps(request).encode()], [out, err])
            self._started.wait_for(lambda: self._newest is not None, STARTS_WITHIN_S)
            return self._started_now()

    def _started_now(self) -> Forked:
        if self._newest is None:
            raise AssertionError("the template of all processes does not answer")
        return self._newest

    def close(self) -> None:
        self._channel.close()
        self._process.terminate()
        self._process.wait()

    def _listen(self) -> None:
        while True:
            try:
                told = self._channel.recv(LONGEST_REQUEST)
            except OSError:
                return
            if not told:
                return
            pid, code = json.loads(told)
            if code is None:
                with self._started:
                    self._newest = self._living[pid] = Forked(pid)
                    self._started.notify_all()
            else:
                self._living.pop(pid).ended(code)


_made: dict[int, Template] = {}


def template() -> Template:
    """That of this process, made when it is first asked for."""
    made = _made.get(os.getpid())
    if made is None:
        made = _made[os.getpid()] = Template()
        atexit.register(made.close)
    return made


# The process itself ---------------------------------------------------------------------------------------------------


def _next_to_live(channel: socket.socket) -> dict[str, Any]:
    """Forks for each request, tells who began and who ended, and comes back in the child alone."""
    woken, wakes = os.pipe()
    for end in (woken, wakes):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    watched: list[Any] = [channel, woken]
    while True:
        ready, _, _ = select.select(watched, [], [])
        if woken in ready:
            os.read(woken, 4096)
            _tell_of_the_dead(channel)
        if channel not in ready:
            continue
        told, descriptors, _, _ = socket.recv_fds(channel, LONGEST_REQUEST, 2)
        if not told:
            raise SystemExit(0)
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(woken)
            os.close(wakes)
            for place, descriptor in enumerate(descriptors, 1):
                os.dup2(descriptor, place)
                os.close(descriptor)
            request: dict[str, Any] = json.loads(told)
            return request
        for descriptor in descriptors:
            os.close(descriptor)
        channel.send(json.dumps((pid, None)).encode())


def _tell_of_the_dead(channel: socket.socket) -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            channel.send(json.dumps((pid, os.waitstatus_to_exitcode(status))).encode())


def _measured_no_more() -> None:
    if "coverage" in sys.modules:
        from coverage import Coverage

        if measuring := Coverage.current():
            measuring.stop()


def main() -> None:
    for name in LOADED:
        importlib.import_module(name)
    channel = socket.socket(fileno=int(sys.argv[1]))
    request = _next_to_live(channel)
    channel.close()
    os.setsid()
    os.chdir(request["folder"])
    environment = request["environment"]
    if not any(name.startswith("COV") for name in environment):
        _measured_no_more()
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["-c", *request["arguments"]]

    from entrypoints.cli import main as tollgram

    try:
        tollgram()
    except SystemExit as end:
        _leave(end.code if isinstance(end.code, int) else 1)
    except BaseException:
        traceback.print_exc()
        _leave(1)


def _leave(code: int) -> None:
    """Without taking apart, piece by piece, what the template has loaded: that takes longer than most commands."""
    for thread in threading.enumerate():
        if not thread.daemon and thread is not threading.current_thread():
            thread.join()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
