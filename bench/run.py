"""Prints each figure as a ratio to its peer in the same run: medians and spread of several rounds.

python -m bench.run [--rounds 5] [--quick] [--write]
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import track

from adapters.telemetry.logs import configure_logs
from bench import load, machine
from bench.figures import Figures, Target
from bench.peers import pgbench, sqlite_alone
from bench.stage import Ours, Stage, prepared
from bench.stock import Stock

PAGE = machine.ROOT / "docs/performance.md"
BEGINS, ENDS = "<!-- figures -->\n", "<!-- end of figures -->\n"
TURNS = 4
PGBENCH_S = 1
STARTS = 9

PAID = "payment on PostgreSQL / pgbench, four statements, 16 clients"
Build = Callable[[Stock, int], list[bytes]]


def in_turns(figures: Figures, who: Mapping[str, Callable[[int], load.Measured]]) -> list[load.Measured]:
    """Everybody gets a piece, then everybody the next: what the machine does meanwhile strikes all of them alike."""
    parts: dict[str, list[load.Measured]] = {name: [] for name in who}
    for turn in range(TURNS):
        for name, measure in who.items():
            parts[name].append(measure(turn))
    return [figures.speed(name, load.Measured.together(parts[name])) for name in who]


def asked(server: machine.Server, requests: Sequence[bytes]) -> Callable[[int], load.Measured]:
    return lambda turn: server.asked(requests[turn::TURNS])


def checks(stage: Stage, figures: Figures, count: int) -> None:
    some = [load.get(f"/users/{1 + n % stage.peers.holders}/features/signals") for n in range(count // 8)]
    bare, on_postgres, on_sqlite, beside_letters, orm = in_turns(
        figures,
        {
            "bare Litestar GET": asked(stage.bare, [load.get("/check")] * count),
            "check on PostgreSQL": _checked(stage.on_postgres, count),
            "check on SQLite": _checked(stage.on_sqlite, count),
            "check on PostgreSQL, letters carried meanwhile": _checked(stage.selling_on_postgres, count),
            "check by FastAPI and the ORM": asked(stage.fastapi, some),
        },
    )
    for name, found, least in (
        ("PostgreSQL", on_postgres, 0.6),
        ("SQLite", on_sqlite, 0.8),
        ("PostgreSQL, letters carried meanwhile,", beside_letters, 0.0),
    ):
        figures.ratio(Target(f"check on {name} / bare Litestar GET", least=least), found.per_second / bare.per_second)
    figures.ratio(Target("check by FastAPI and the ORM / bare Litestar GET"), orm.per_second / bare.per_second)


def pre_checkouts(stage: Stage, figures: Figures, count: int) -> None:
    bodies = [request.partition(b"\r\n\r\n")[2] for request in stage.on_postgres.stock.pre_checkouts(count)]
    bare, on_postgres, on_sqlite = in_turns(
        figures,
        {
            "bare Litestar POST": asked(stage.bare, [load.post("/pre-checkout", body) for body in bodies]),
            "pre-checkout on PostgreSQL": asked(stage.on_postgres.server, stage.on_postgres.stock.pre_checkouts(count)),
            "pre-checkout on SQLite": asked(stage.on_sqlite.server, stage.on_sqlite.stock.pre_checkouts(count)),
        },
    )
    for name, found in (("PostgreSQL", on_postgres), ("SQLite", on_sqlite)):
        figures.ratio(
            Target(f"pre-checkout on {name} / bare Litestar POST", least=0.6), found.per_second / bare.per_second
        )


def payments(stage: Stage, figures: Figures, count: int) -> None:
    def by_pgbench(_turn: int) -> load.Measured:
        with machine.alone():
            return pgbench.payments(stage.pgbench, stage.server_core, PGBENCH_S)

    ours, orm, driver, alone = in_turns(
        figures,
        {
            "payment on PostgreSQL": _paid(stage.selling_on_postgres, count),
            "payment by aiogram and the ORM": asked(stage.aiogram_orm, stage.peers.payments(count // 8)),
            "payment by aiogram and asyncpg": asked(stage.aiogram_asyncpg, stage.peers.payments(count // 3)),
            "payment by pgbench": by_pgbench,
        },
    )
    figures.ratio(Target(PAID, least=1.0), ours.per_second / alone.per_second)
    figures.ratio(Target("payment / aiogram and the ORM", least=8), ours.per_second / orm.per_second)
    figures.ratio(Target("payment / aiogram and asyncpg", least=2.5), ours.per_second / driver.per_second)
    figures.ratio(Target("payment's p99 / that of aiogram and the ORM", most=0.3), ours.p99_ms / orm.p99_ms)


def payments_on_sqlite(stage: Stage, figures: Figures, count: int) -> None:
    def by_sqlite(_turn: int) -> load.Measured:
        with machine.alone():
            return sqlite_alone.payments(stage.sqlite_alone, stage.sqlite_path, count // TURNS)

    ours, alone = in_turns(
        figures,
        {"payment on SQLite": _paid(stage.selling_on_sqlite, count), "payment by sqlite3, a commit each": by_sqlite},
    )
    figures.ratio(Target("payment on SQLite / sqlite3, a commit each", least=1.5), ours.per_second / alone.per_second)


def growth(stage: Stage, figures: Figures, count: int) -> None:
    kinds: dict[str, Build] = {
        "check": Stock.checks,
        "pre-checkout": Stock.pre_checkouts,
        "payment": Stock.payments,
    }
    pairs = (
        ("PostgreSQL", stage.selling_on_postgres, stage.grown_postgres),
        ("SQLite", stage.selling_on_sqlite, stage.grown_sqlite),
    )
    for name, small, large in pairs:
        for kind, build in kinds.items():
            before, after = in_turns(
                Figures(),
                {
                    "before": asked(small.server, build(small.stock, count)),
                    "after": asked(large.server, build(large.stock, count)),
                },
            )
            what = f"time of a {kind} on {name} with {large.stock.holders:,} / {small.stock.holders:,} payments"
            figures.ratio(Target(what, most=1.4), before.per_second / after.per_second)


def starting(figures: Figures) -> None:
    """`tollgram --help` against a Python that does nothing."""
    commands = {"python": "pass", "help": "from entrypoints.cli import main; main(['--help'])"}
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(STARTS):
        for name, command in commands.items():
            began = time.perf_counter()
            subprocess.run([machine.INSTALLED, "-c", command], check=True, capture_output=True)
            times[name].append(time.perf_counter() - began)
    figures.ratio(Target("time of tollgram --help / bare Python", most=5), min(times["help"]) / min(times["python"]))


def _checked(ours: Ours, count: int) -> Callable[[int], load.Measured]:
    return asked(ours.server, ours.stock.checks(count))


def _paid(ours: Ours, count: int) -> Callable[[int], load.Measured]:
    return asked(ours.server, ours.stock.payments(count))


def write(page: Path, figures: str) -> None:
    """Into the page, between its marks."""
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGINS)
    _, _, after = rest.partition(ENDS)
    page.write_text(f"{before}{BEGINS}\n{figures}\n{ENDS}{after}", encoding="utf-8")


def main() -> None:
    reads = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reads.add_argument("--rounds", type=int, default=5)
    reads.add_argument("--quick", action="store_true", help="less of everything: to see that it runs")
    reads.add_argument("--write", action="store_true", help=f"put the figures into {PAGE.name}")
    given = reads.parse_args()
    configure_logs(level="ERROR", form="json", secrets=())
    count = 320 if given.quick else 3200
    grown = 20_000 if given.quick else 1_000_000
    terminal = Console(stderr=True)
    figures = Figures(tell=terminal.print)
    with (
        terminal.status("Filling databases and starting everybody"),
        prepared(buyers=(given.rounds + 1) * count * 3, grown=grown) as stage,
    ):
        warm = Figures()
        for part in (checks, pre_checkouts, payments, payments_on_sqlite):
            part(stage, warm, count // 4)
        for _ in track(range(given.rounds), "Measuring", console=terminal, disable=not terminal.is_terminal):
            checks(stage, figures, 2 * count)
            pre_checkouts(stage, figures, count)
            payments(stage, figures, count)
            payments_on_sqlite(stage, figures, count)
            growth(stage, figures, count // 2)
            starting(figures)
        figures.ratio(Target("memory of a worker that has just started, MB", most=110), stage.idle_worker_mb)
        figures.ratio(Target("memory of a worker after all of this, MB"), stage.selling_on_postgres.server.memory_mb())
    table = figures.markdown(f"Taken on {datetime.now(UTC):%d %B %Y}, {machine.described()}, SQLite and PostgreSQL")
    sys.stdout.write(table)
    if given.write:
        write(PAGE, table)


if __name__ == "__main__":
    main()
