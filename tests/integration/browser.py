"""A real browser for tests: Chromium as the machine has it, and pages that are watched while they are used."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Response, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PATIENCE_MS = 60_000
PHONE, DESK = (390, 844), (1440, 900)
MOST_TABS = 80


@contextmanager
def chromium() -> Iterator[Browser]:
    """Skips where the machine has none; in CI that is a failure."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        reason = f"no browser: none of {', '.join(NAMES)} is installed (on Debian: apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Visit:
    """A page as somebody uses it. What it logs, asks for and gets is written down."""

    page: Page
    pictures: Path
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    answers: list[Response] = field(default_factory=list)

    def watch(self) -> None:
        self.page.on("console", lambda message: self._note(message.type, f"{message.text} {message.location}"))
        self.page.on("pageerror", lambda error: self._note("error", str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        # A function of ours: the library can't hold on to a built-in one.
        self.page.on("response", lambda response: self.answers.append(response))  # noqa: PLW0108

    def _note(self, kind: str, words: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(f"{kind}: {words}")

    def strangers(self) -> set[str]:
        """Hosts other than the page's own that were asked for anything."""
        own = urlsplit(self.page.url).netloc
        return {host for url in self.asked if (host := urlsplit(url).netloc) not in ("", own)}

    def picture(self, name: str, *, whole: bool = False) -> None:
        """Kept where the test keeps its things, and where TOLLGRAM_SCREENSHOTS says."""
        taken = self.page.screenshot(full_page=whole, animations="disabled")
        for folder in filter(None, (str(self.pictures), os.environ.get("TOLLGRAM_SCREENSHOTS"))):
            Path(folder).mkdir(parents=True, exist_ok=True)
            (Path(folder) / f"{name}.png").write_bytes(taken)

    def too_wide(self) -> int:
        """How many pixels of the page lie to the right of the window."""
        wide: int = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        return wide

    def tab_to(self, name: str | re.Pattern[str]) -> None:
        """Presses Tab until the focus is on what is called so, and sees that the focus shows."""
        wanted = name if isinstance(name, re.Pattern) else re.compile(f"^{re.escape(name)}")
        passed: list[str] = []
        for _ in range(MOST_TABS):
            self.page.keyboard.press("Tab")
            now: dict[str, Any] = self.page.evaluate(_FOCUSED)
            if wanted.search(now["name"]):
                assert now["shows"], f"the focus on {now['name']!r} can't be seen"
                return
            passed.append(now["name"])
        raise AssertionError(f"Tab never comes to {wanted.pattern!r}; it passes {passed}")

    def faint(self) -> list[str]:
        """Texts whose contrast with what is behind them is below 4.5 : 1 (3 : 1 for large ones)."""
        found: list[str] = self.page.evaluate(_FAINT)
        return found


@contextmanager
def visit(
    browser: Browser, url: str, pictures: Path, *, size: tuple[int, int] = DESK, dark: bool = False
) -> Iterator[Visit]:
    """A visitor of one's own: no cookies, no memory, English, UTC."""
    context: BrowserContext = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        has_touch=size == PHONE,
        locale="en-GB",
        timezone_id="UTC",
        reduced_motion="reduce",
    )
    context.set_default_timeout(PATIENCE_MS)
    try:
        visited = Visit(context.new_page(), pictures)
        visited.watch()
        visited.page.goto(url)
        yield visited
    finally:
        context.close()


# An outline, a ring of shadow or another border than without the focus: any of them shows it.
_FOCUSED = """() => {
  const it = document.activeElement;
  const label = it.labels?.[0]?.innerText ?? "";
  const look = () => { const s = getComputedStyle(it); return [s.outlineStyle !== "none" && s.outlineWidth !== "0px", s.boxShadow, s.borderColor, s.backgroundColor]; };
  const focused = look();
  const near = [it, it.parentElement].some((node) => node && getComputedStyle(node).outlineStyle !== "none");
  return { name: [it.getAttribute("aria-label"), it.matches("button, a, summary") ? it.innerText : "", label].filter(Boolean).join(" "), shows: focused[0] || near || focused[1] !== "none" };
}"""  # noqa: E501

_FAINT = """() => {
  const parse = (text) => { const n = text.match(/[\\d.]+/g).map(Number); return { rgb: n.slice(0, 3), a: n.length > 3 ? n[3] : 1 }; };
  const over = (top, under) => top.rgb.map((v, i) => v * top.a + under[i] * (1 - top.a));
  const light = (rgb) => { const [r, g, b] = rgb.map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = (node) => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) { const c = parse(getComputedStyle(at).backgroundColor); layers.push(c); if (c.a === 1) break; }
    return layers.reverse().reduce((under, layer) => over(layer, under), [255, 255, 255]);
  };
  const faint = new Set();
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || node.getClientRects().length === 0) continue;
    const style = getComputedStyle(node), ground = behind(node);
    const [a, b] = [light(over(parse(style.color), ground)), light(ground)].sort((x, y) => y - x);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.7 && parseInt(style.fontWeight) >= 700);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < (large ? 3 : 4.5)) faint.add(`${ratio.toFixed(2)} ${walk.currentNode.data.trim().slice(0, 40)}`);
  }
  return [...faint];
}"""  # noqa: E501
