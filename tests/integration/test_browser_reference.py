"""The page that describes the API needs nothing from elsewhere, fits every window and reads in light and dark."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.integration.browser import DESK, PATIENCE_MS, PHONE, chromium, visit
from tests.integration.service import Service


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    with chromium() as one:
        yield one


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["390 wide", "1440 wide"])
def test_it_is_there_without_the_rest_of_the_world(
    browser: Browser, service: Service, tmp_path: Path, size: tuple[int, int], dark: bool
) -> None:
    with visit(browser, f"{service.url}/schema", tmp_path, size=size, dark=dark) as reader:
        page = reader.page
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        name = f"reference-{size[0]}-{'dark' if dark else 'light'}"
        reader.picture(name)
        reader.picture(f"{name}-whole", whole=True)

        assert page.evaluate("document.styleSheets.length > 0 && document.styleSheets[0].cssRules.length > 0")
        assert {answer.url for answer in reader.answers if not answer.ok} == set()
        assert reader.strangers() == set()
        assert reader.complaints == []
        assert reader.too_wide() == 0
        assert reader.faint() == []


def test_every_operation_stands_there_once_and_its_link_leads_to_it(
    browser: Browser, service: Service, tmp_path: Path
) -> None:
    document = httpx.get(f"{service.url}/schema/openapi.json", timeout=10).json()
    operations = {one["operationId"]: one for methods in document["paths"].values() for one in methods.values()}
    with visit(browser, f"{service.url}/schema", tmp_path) as reader:
        page = reader.page
        contents = page.get_by_role("navigation", name="Operations")
        links = {link.get_attribute("href") for link in contents.get_by_role("link").all()}

        assert links >= {f"#{name}" for name in operations}
        for name, operation in operations.items():
            expect(page.locator(f"#{name}").get_by_role("heading", name=operation["summary"])).to_have_count(1)
        last = operations[list(operations)[-1]]
        contents.get_by_role("link", name=last["summary"], exact=True).click()
        expect(page).to_have_url(re.compile(f"#{last['operationId']}$"))
        expect(page.locator(f"#{last['operationId']}")).to_be_in_viewport()


def test_it_is_walked_through_with_the_keyboard(browser: Browser, service: Service, tmp_path: Path) -> None:
    with visit(browser, f"{service.url}/schema", tmp_path) as reader:
        reader.tab_to("May this user do this, now or at a past moment, and why?")
        reader.page.keyboard.press("Enter")

        expect(reader.page).to_have_url(re.compile("#checkFeature$"))
        expect(reader.page.locator("#checkFeature")).to_be_in_viewport()
