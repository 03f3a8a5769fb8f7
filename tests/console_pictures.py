"""Takes docs/images/console-*.png anew: every page of the console of a shop with two months behind it, and its acts.

    python -m tests.console_pictures

Starts the service, the sandbox and an endpoint that is gone, fills a database in a temporary folder, and looks at it
with Debian's chromium.
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page

from tests.integration.browser import DESK, PHONE, chromium, visit
from tests.integration.buying import buy, newcomer, rows
from tests.integration.conftest import set_webhook
from tests.integration.endpoints import EndpointServer
from tests.integration.operators import STAFF, Operator
from tests.integration.sandbox_server import SandboxServer
from tests.integration.service import Service, eventually
from tests.integration.shop_history import ShopHistory

IMAGES: Final = Path(__file__).parents[1] / "docs" / "images"

_GRANTED: Final = "SELECT id FROM payments WHERE status = 'granted' AND plan_code != 'founder' ORDER BY id DESC LIMIT 1"
_HELD: Final = "SELECT id, user_id FROM payments WHERE status = 'quarantined' ORDER BY id DESC"


@dataclass(frozen=True, slots=True)
class Picture:
    """`press` names the button whose question is shown over the page, `by` who looks at it."""

    name: str
    path: str
    size: tuple[int, int] = DESK
    dark: bool = False
    press: str = ""
    signed_in: bool = True
    by: str = "ada"


def main() -> int:
    with SandboxServer() as telegram, _shop(telegram) as service, chromium() as browser:
        staff = {name: Operator.sign_in(service, name) for name in ("ada", "bo")}
        eventually(lambda: "All is well" in staff["ada"].words("/console"), within_s=60)
        _take(browser, staff["ada"], Picture("fresh", "/console"))
        _grow(service, telegram, staff["ada"])
        for picture in _wanted(service):
            _take(browser, staff[picture.by], picture)
    return 0


def _wanted(service: Service) -> list[Picture]:
    held = rows(service, _HELD)[0]
    [granted] = rows(service, _GRANTED)
    [endpoint] = eventually(lambda: rows(service, "SELECT id FROM event_endpoints WHERE disabled_at IS NOT NULL"))
    return [
        Picture("login", "/console/login", signed_in=False),
        Picture("today", "/console?span=30d"),
        Picture("phone", "/console", PHONE, dark=True),
        Picture("payments", "/console/payments"),
        Picture("payments-phone", "/console/payments", PHONE),
        Picture("quarantine", "/console/quarantine"),
        Picture("payment", f"/console/payments/{held['id']}", dark=True),
        Picture("refund", f"/console/payments/{granted['id']}", press="Refund …"),
        Picture("user", f"/console/users/{held['user_id']}"),
        Picture("user-phone", f"/console/users/{held['user_id']}", PHONE, dark=True),
        Picture("grant", f"/console/payments/{held['id']}", press="Grant it …"),
        Picture("give", f"/console/users/{held['user_id']}", press="Grant or extend …"),
        Picture("end", f"/console/users/{held['user_id']}", press="End it …"),
        Picture("second", "/console/payments", by="bo"),
        Picture("found", "/console/search?q=anna"),
        Picture("nothing-found", "/console/search?q=nobody"),
        Picture("plans", "/console/plans"),
        Picture("events", "/console/events"),
        Picture("endpoint", f"/console/events/{endpoint['id']}"),
        Picture("push-again", f"/console/events/{endpoint['id']}", press="Push to it again"),
        Picture("system", "/console/system"),
        Picture("report", "/console/system/report", dark=True),
        Picture("nowhere", "/console/nowhere"),
        Picture("odd", "/console/payments?since=yesterday"),
    ]


@contextmanager
def _shop(telegram: SandboxServer) -> Iterator[Service]:
    """One that has just been opened."""
    with tempfile.TemporaryDirectory() as folder, EndpointServer() as hook:
        hook.answers.extend([(410, {})] * 10)
        pushed_to = json.dumps([{"url": hook.url, "secret": "whsec_" + "A" * 32}])
        settings = {**STAFF, "EVENT_WEBHOOKS_JSON": pushed_to, "EVENT_WEBHOOKS_ALLOW_PRIVATE": "true"}
        with Service(Path(folder), telegram.url, settings, measured=False) as service:
            set_webhook(telegram, service)
            yield service


def _grow(service: Service, telegram: SandboxServer, ada: Operator) -> None:
    """Two months go by; at their end people talk to the bot, and somebody wants much money back."""
    ShopHistory(f"sqlite:///{service.folder}/tollgram.db", datetime.now(UTC)).write(days=60, sales=260)
    with service.as_service("entitlements:write") as client:
        held = rows(service, _HELD)[0]
        gift = {"plan_code": "gold_1m", "reason": "a gift"}
        client.post(f"/internal/v1/users/{held['user_id']}/entitlements", json=gift).raise_for_status()
    anna, *others = [
        newcomer(telegram, "Anna Karenina", username="anna_k"),
        newcomer(telegram, "Anna Wronskaja"),
        newcomer(telegram, "Hanna Arendt", username="anna_of_koenigsberg"),
    ]
    for user in (anna, *others):
        telegram.say(user, "/status")
    eventually(lambda: len(rows(service, "SELECT 1 FROM people")) > len(others))
    charge_id = buy(service, telegram, anna, "founder").charge_id
    [paid] = rows(service, "SELECT id FROM payments WHERE charge_id = ?", charge_id)
    page = f"/console/payments/{paid['id']}"
    ada.act(page, f"{page}/refund", reason="Bought for somebody who has it already")


def _take(browser: Browser, operator: Operator, picture: Picture) -> None:
    login = f"{operator.service.url}/console/login"
    with (
        tempfile.TemporaryDirectory() as folder,
        visit(browser, login, Path(folder), size=picture.size, dark=picture.dark) as seen,
    ):
        if picture.signed_in:
            seen.page.context.add_cookies(operator.cookies)
        seen.page.goto(operator.service.url + picture.path, wait_until="networkidle")
        if picture.press:
            seen.page.get_by_role("button", name=picture.press).first.click()
            seen.page.get_by_role("dialog").wait_for()
        _keep(seen.page, picture.name)


def _keep(page: Page, name: str) -> None:
    file = IMAGES / f"console-{name}.png"
    page.screenshot(path=file, animations="disabled")
    sys.stdout.write(f"{file.name}: {file.stat().st_size // 1024} KiB\n")


if __name__ == "__main__":
    raise SystemExit(main())
