"""Takes docs/images/sandbox.png anew: the sandbox's page after a purchase, with what happened behind it.

    python -m tests.sandbox_picture

Starts the service and the sandbox in a temporary folder, buys a plan by a few clicks in Debian's chromium, and stops
both. Needs nothing but the tools of `make test` and chromium.
"""

import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "images" / "sandbox.png"
WITHIN_S = 60.0
WIDTH, HEIGHT = 1440, 900


def main() -> int:
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    if browser_path is None:
        sys.stderr.write("There is no chromium on this machine.\n")
        return 1
    with _running() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(
            viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light", reduced_motion="reduce"
        )
        page.goto(address)
        _buy(page)
        expect(page.locator("#toast")).not_to_contain_class("shown")
        page.screenshot(path=PICTURE)
        browser.close()
    sys.stdout.write(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size // 1024} KiB\n")
    return 0


def _buy(page: Page) -> None:
    page.get_by_role("button", name="Send /buy").click()
    page.get_by_role("button", name="Gold, 1 month").click()
    page.get_by_role("button", name="Telegram Stars").click()
    page.get_by_role("button", name="Pay 1,250 ⭐").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Pay 1,250 ⭐").click()
    expect(page.get_by_text("1,250 ⭐ paid. Thank you.").first).to_be_visible(timeout=15_000)
    page.wait_for_timeout(1500)  # the list beside the chat, and what the service answers, come a moment later


@contextmanager
def _running() -> Iterator[str]:
    """The address of the page."""
    port, sandbox_port = _free_port(), _free_port()
    command = [str(Path(sys.executable).with_name("tollgram")), "up"]
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(ROOT / "catalog.toml", folder)
        process = subprocess.Popen(
            [*command, "--port", str(port), "--sandbox-port", str(sandbox_port)],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _await(Path(folder) / "var" / "demo-token", process)
            yield f"http://127.0.0.1:{sandbox_port}/"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(WITHIN_S)


def _await(file: Path, process: subprocess.Popen[bytes]) -> None:
    """The last thing that `tollgram up` does before it waits is to leave a token to try the service with."""
    until = time.monotonic() + WITHIN_S
    while not (file.exists() and file.stat().st_size):
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError("tollgram up did not start")
        time.sleep(0.2)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


if __name__ == "__main__":
    raise SystemExit(main())
