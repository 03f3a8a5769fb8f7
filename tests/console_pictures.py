"""Takes docs/images/console-*.png anew: the console of a shop with two months behind it.

    python -m tests.console_pictures

Starts the service and the sandbox in a temporary folder, fills the database, and looks at it with Debian's chromium.
"""

import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from playwright.sync_api import Page

from tests.integration.browser import DESK, PHONE, chromium, visit
from tests.integration.buying import rows
from tests.integration.conftest import set_webhook
from tests.integration.operators import STAFF, Operator
from tests.integration.sandbox_server import SandboxServer
from tests.integration.service import Service
from tests.integration.shop_history import ShopHistory

IMAGES: Final = Path(__file__).parents[1] / "docs" / "images"


def main() -> int:
    with (
        tempfile.TemporaryDirectory() as folder,
        SandboxServer() as telegram,
        Service(Path(folder), telegram.url, STAFF, measured=False) as service,
        chromium() as browser,
    ):
        set_webhook(telegram, service)
        ShopHistory(f"sqlite:///{folder}/tollgram.db", datetime.now(UTC)).write(days=60, sales=260)
        [held] = rows(service, "SELECT id FROM payments WHERE status = 'quarantined'")
        ada = Operator.sign_in(service, "ada")
        for name, path, size, dark in (
            ("today", "/console?span=30d", DESK, False),
            ("payment", f"/console/payments/{held['id']}", DESK, True),
            ("plans", "/console/plans", DESK, False),
            ("phone", "/console", PHONE, True),
        ):
            with visit(browser, f"{service.url}/console/login", Path(folder), size=size, dark=dark) as seen:
                seen.page.context.add_cookies(ada.cookies)
                seen.page.goto(service.url + path, wait_until="networkidle")
                _take(seen.page, name)
    return 0


def _take(page: Page, name: str) -> None:
    picture = IMAGES / f"console-{name}.png"
    page.screenshot(path=picture, animations="disabled")
    sys.stdout.write(f"{picture.name}: {picture.stat().st_size // 1024} KiB\n")


if __name__ == "__main__":
    raise SystemExit(main())
