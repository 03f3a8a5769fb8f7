"""A service with its Telegram by each of the two transports, for tests that must hold on both."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.integration.conftest import set_webhook
from tests.integration.sandbox_server import SandboxServer
from tests.integration.service import Service

BOT_API, MTPROTO = "bot_api", "mtproto"
TRANSPORTS: Final = (BOT_API, MTPROTO)


@dataclass(frozen=True, slots=True)
class Shop:
    telegram: SandboxServer
    service: Service
    transport: str


@contextmanager
def shop_by(transport: str, folder: Path, more: Mapping[str, str] | None = None) -> Iterator[Shop]:
    """Running, and told by its Telegram of what happens."""
    with mtproto_telegram(folder) as telegram:
        settings = telegram.mtproto_settings if transport == MTPROTO else {}
        with Service(folder, telegram.url, {**settings, **(more or {})}) as service:
            if transport == BOT_API:
                set_webhook(telegram, service)
            yield Shop(telegram, service, transport)


def mtproto_telegram(folder: Path) -> SandboxServer:
    """One that speaks MTProto too, and lets a bot say more in a second than the real one would."""
    return SandboxServer(
        time_scale=0.05,
        messages_per_second=1000,
        chat_messages_per_second=1000,
        chat_burst=1000,
        mtproto_port=0,
        mtproto_key_path=str(folder / "telegram.pem"),
    )
