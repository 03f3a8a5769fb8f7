"""A process is small and soon there: what is large is loaded where it is used, and most need little of it."""

import subprocess
import sys
from pathlib import Path

import pytest

CATALOG = Path(__file__).parents[2] / "catalog.toml"
PROGRAM = """
import sys
from entrypoints.container import Container
from entrypoints.http.app import create_app
from entrypoints.settings import Settings

container = Container(settings=Settings.read({settings}))
create_app(container)
container.bots()
loaded = {{name.partition(".")[0] for name in sys.modules}}
print(*sorted(loaded & {{"telethon", "psycopg", "stripe", "rich_click"}}))
"""


@pytest.mark.parametrize(
    ("given", "loaded"),
    [
        pytest.param({}, "", id="the Bot API on SQLite"),
        pytest.param({"TELEGRAM_TRANSPORT": "mtproto"}, "telethon", id="MTProto"),
        pytest.param({"DATABASE_URL": "postgresql://127.0.0.1/shop"}, "psycopg", id="PostgreSQL"),
    ],
)
def test_what_is_loaded_for(given: dict[str, str], loaded: str, tmp_path: Path) -> None:
    settings = {
        "DATABASE_URL": f"sqlite:///{tmp_path}/shop.db",
        "TELEGRAM_BOT_TOKEN": "123456:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "AUTH_JWT_SECRET": "k" * 40,
        "INVOICE_SIGNING_KEYS": "k" * 40,
        "TELEGRAM_WEBHOOK_SECRET": "k" * 40,
        "CATALOG_PATH": str(CATALOG),
        "TELEGRAM_API_ID": "1",
        "TELEGRAM_API_HASH": "0" * 32,
        **given,
    }
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(settings=settings)], capture_output=True, text=True, check=False
    )

    assert (ran.stdout.strip(), ran.returncode) == (loaded, 0), ran.stderr
