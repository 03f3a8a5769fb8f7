"""Load over HTTP/1.1: so many connections, each asking again as soon as it was answered."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

CONNECTIONS = 32


@dataclass(frozen=True, slots=True)
class Measured:
    """`per_second` answers, and how long the slowest of a hundred took."""

    per_second: float
    p99_ms: float


def measure(port: int, requests: Callable[[int], bytes], *, count: int) -> Measured:
    """Send `requests(0)` … `requests(count - 1)`; every answer must be a 200. Raises RuntimeError otherwise."""
    return asyncio.run(_measure(port, requests, count))


async def _measure(port: int, requests: Callable[[int], bytes], count: int) -> Measured:
    numbers = iter(range(count))
    began = time.perf_counter()
    durations = await asyncio.gather(*(_connection(port, requests, numbers) for _ in range(CONNECTIONS)))
    took = time.perf_counter() - began
    ordered = sorted(duration for part in durations for duration in part)
    return Measured(count / took, ordered[int(len(ordered) * 0.99)] * 1000)


async def _connection(port: int, requests: Callable[[int], bytes], numbers: Iterator[int]) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    durations = []
    for number in numbers:
        began = time.perf_counter()
        writer.write(requests(number))
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(head.decode(errors="replace"))
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length[15:]))
        durations.append(time.perf_counter() - began)
    writer.close()
    return durations


def get(path: str, headers: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: bench\r\n{headers}\r\n".encode()


def post(path: str, body: bytes, headers: str = "") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n{headers}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
