"""Telethon is large: who sells by the Bot API loads nothing of it."""

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
print(sorted({{name.partition(".")[0] for name in sys.modules}} & {{"telethon", "cryptg"}}))
"""


@pytest.mark.parametrize(
    ("transport", "loaded"), [("bot_api", "[]"), ("mtproto", "['cryptg', 'telethon']")], ids=["bot_api", "mtproto"]
)
def test_telethon_is_loaded_for(transport: str, loaded: str, tmp_path: Path) -> None:
    settings = {
        "DATABASE_URL": f"sqlite:///{tmp_path}/shop.db",
        "TELEGRAM_BOT_TOKEN": "123456:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "TELEGRAM_TRANSPORT": transport,
        "AUTH_JWT_SECRET": "k" * 40,
        "INVOICE_SIGNING_KEYS": "k" * 40,
        "TELEGRAM_WEBHOOK_SECRET": "k" * 40,
        "CATALOG_PATH": str(CATALOG),
        "TELEGRAM_API_ID": "1",
        "TELEGRAM_API_HASH": "0" * 32,
    }
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(settings=settings)], capture_output=True, text=True, check=False
    )

    assert (ran.stdout.strip(), ran.returncode) == (loaded, 0), ran.stderr
