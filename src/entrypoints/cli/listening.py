"""What every command that listens does: find its port free, and end in peace when it is told to stop."""

import signal
import socket
import sys
from types import FrameType

from entrypoints.cli.failure import WORKED, CommandError

CONNECTIONS = 65_536
PORTS_TRIED = 100
HIGHEST_PORT = 65535


def require_free(host: str, port: int, otherwise: str) -> None:
    """Raises CommandError where nobody could listen there; `otherwise` is how to take another {port}."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError:
        raise CommandError(f"{host} is no address of this machine.", "Choose another --host.") from None
    if problem := _obstacle(family, address[0], port):
        nearby = range(port + 1, min(port + PORTS_TRIED, HIGHEST_PORT))
        free = next((other for other in nearby if not _obstacle(family, address[0], other)), None)
        advice = f"Choose another one: {otherwise.format(port=free)}" if free else "Choose another one."
        raise CommandError(f"Port {port} of {host}: {problem}.", advice)


def _obstacle(family: socket.AddressFamily, host: str | int, port: int) -> str:
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as problem:
            return (problem.strerror or "not free").lower()
    return ""


def make_room() -> None:
    """For as many connections as the system grants us, each being an open file: by default often no more than 1024, and
    some callers are slow, or hold the line on purpose."""
    try:
        import resource
    except ImportError:
        return  # not on this system
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = CONNECTIONS if most == resource.RLIM_INFINITY else min(CONNECTIONS, most)
    if now != resource.RLIM_INFINITY and now < room:
        resource.setrlimit(resource.RLIMIT_NOFILE, (room, most))


def stop_in_peace() -> None:
    """Being told to stop is no failure. The server takes the signal while it runs, and hands it back at its end."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        sys.exit(WORKED)

    signal.signal(signal.SIGTERM, stop)
