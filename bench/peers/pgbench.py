"""PostgreSQL by itself: the four statements of a payment in a transaction each, by its own benchmark program."""

import re
import subprocess
from pathlib import Path

from bench.load import Measured
from bench.stock import Stock
from tests.postgres import binaries

CLIENTS = 16
_SCRIPT = Path(__file__).with_name("payment.sql")
_TPS = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)


def payments(stock: Stock, core: int, seconds: int) -> Measured:
    buyers = ("-D", f"first={stock.holders + 1}", "-D", f"last={stock.holders + stock.buyers}")
    how = ("-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "1", "-T", str(seconds), "-f", str(_SCRIPT))
    command = ["taskset", "-c", str(core), str(binaries() / "pgbench"), *how, *buyers, stock.url]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return Measured(round(float(_TPS.findall(told)[0]) * seconds), seconds)
