"""A newcomer pays on Stripe's page, in a real browser, and the door opens; who does not pay gets nothing."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from adapters.tokens import TokenMaker
from domain.duration import Duration, Unit
from entrypoints.settings import written_settings
from tests.integration.browser import DESK, PATIENCE_MS, PHONE, Visit, chromium, visit
from tests.integration.up import Up, watched

PLAN = "Gold, 1 month"
PRICE = "£25.00"
ONE_MONTH = Duration(count=1, unit=Unit.MONTH)
DECLINED = "4000 0000 0000 0002"
LOOKS = [
    pytest.param(size, dark, id=f"{name} {'dark' if dark else 'light'}")
    for name, size in (("phone", PHONE), ("desk", DESK))
    for dark in (False, True)
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    with chromium() as one:
        yield one


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """Service and sandbox as `tollgram up` starts them."""
    with watched(tmp_path_factory.mktemp("up")) as one:
        one.start()
        one.ready()
        yield one


def test_a_newcomer_pays_on_stripe_s_page_and_the_door_opens(browser: Browser, running: Up, tmp_path: Path) -> None:
    assert allowed(running, 1001) is False
    with visit(browser, sandbox(running), tmp_path) as newcomer, card_page(newcomer) as paying:
        page, card = newcomer.page, paying.page
        newcomer.picture("stripe-1-invited")
        expect(card.get_by_text(PLAN)).to_be_visible()
        card.get_by_role("button", name=f"Pay {PRICE}").click()

        expect(card).to_have_url(f"{service(running)}/billing/done")
        expect(card.get_by_role("heading", name="Thank you.")).to_be_visible()
        expect(chat(page)).to_contain_text(confirmed())
        says = page.get_by_role("region", name="What the service says")
        expect(says).to_contain_text("allowed: true")
        newcomer.picture("stripe-2-paid")
        assert allowed(running, 1001) is True
        assert payments(running, 1001) == [("stripe", "granted", 2500, "GBP")]
        assert_clean(newcomer, paying)


def test_a_card_that_is_declined_opens_nothing_and_another_one_does(
    browser: Browser, running: Up, tmp_path: Path
) -> None:
    user = newcomer_called(running, "Katherine")
    with visit(browser, sandbox(running), tmp_path) as visitor:
        be(visitor.page, "Katherine")
        with card_page(visitor) as paying:
            card = paying.page
            card.get_by_label("Card number").fill(DECLINED)
            card.get_by_role("button", name=f"Pay {PRICE}").click()
            expect(card.get_by_text("Your card was declined.")).to_be_visible()
            paying.picture("stripe-declined")
            assert allowed(running, user) is False
            assert payments(running, user) == []

            card.get_by_label("Card number").fill("4242 4242 4242 4242")
            card.get_by_role("button", name=f"Pay {PRICE}").click()
            expect(chat(visitor.page)).to_contain_text(confirmed())
            assert allowed(running, user) is True
            assert payments(running, user) == [("stripe", "granted", 2500, "GBP")]
            assert_clean(visitor, paying)


def test_who_goes_back_has_paid_nothing_and_gets_nothing(browser: Browser, running: Up, tmp_path: Path) -> None:
    user = newcomer_called(running, "Barbara")
    with visit(browser, sandbox(running), tmp_path) as visitor:
        be(visitor.page, "Barbara")
        with card_page(visitor) as paying:
            paying.page.get_by_role("link", name=re.compile("^Back to ")).click()

            expect(paying.page).to_have_url(f"{service(running)}/billing/cancelled")
            expect(paying.page.get_by_role("heading", name="Nothing was charged.")).to_be_visible()
            assert allowed(running, user) is False
            assert payments(running, user) == []
            assert_clean(visitor, paying)


@pytest.mark.threat(37)
def test_the_page_that_thanks_opens_no_door_to_who_did_not_pay(browser: Browser, running: Up, tmp_path: Path) -> None:
    user = newcomer_called(running, "Mallory")
    with visit(browser, sandbox(running), tmp_path) as visitor:
        be(visitor.page, "Mallory")
        with card_page(visitor) as paying:
            paying.page.goto(f"{service(running)}/billing/done")
            expect(paying.page.get_by_role("heading", name="Thank you.")).to_be_visible()

            assert allowed(running, user) is False
            assert payments(running, user) == []


def test_money_that_comes_late_opens_the_door_late(browser: Browser, running: Up, tmp_path: Path) -> None:
    user = newcomer_called(running, "Patience")
    with visit(browser, sandbox(running), tmp_path) as visitor:
        be(visitor.page, "Patience")
        with card_page(visitor) as paying:
            session = paying.page.url.rpartition("/")[2]
            paying.page.get_by_label("Bank debit").check()
            paying.page.get_by_role("combobox").select_option(label="It waits until you decide")
            paying.page.get_by_role("button", name=f"Pay {PRICE}").click()
            expect(paying.page).to_have_url(f"{service(running)}/billing/done")
            assert allowed(running, user) is False

            control(running, "POST", "/stripe/settle-late", {"session_id": session, "outcome": "succeeded"})
            expect(chat(visitor.page)).to_contain_text(confirmed())
            assert allowed(running, user) is True


@pytest.mark.parametrize(("size", "dark"), LOOKS)
def test_every_page_on_the_way_fits_and_can_be_read(
    browser: Browser, running: Up, tmp_path: Path, size: tuple[int, int], dark: bool
) -> None:
    look = f"{size[0]}-{'dark' if dark else 'light'}"
    name = f"Reader {look}"
    newcomer_called(running, name)
    with visit(browser, sandbox(running), tmp_path, size=size, dark=dark) as visitor:
        page = visitor.page
        be(page, name)
        with card_page(visitor) as paying:
            shown(paying, f"card-{look}")
            paying.page.goto(f"{service(running)}/billing/cancelled")
            shown(paying, f"cancelled-{look}")
            assert_in_the_middle(paying)
            paying.page.go_back()
            paying.page.get_by_role("button", name=f"Pay {PRICE}").click()
            expect(paying.page.get_by_role("heading", name="Thank you.")).to_be_visible()
            shown(paying, f"done-{look}")
            assert_in_the_middle(paying)
            expect(chat(page)).to_contain_text(confirmed())
            assert_clean(paying)
        say(page, "/status")
        chat(page).get_by_role("button", name="Receipts and cards").click()
        with followed(visitor, chat(page).get_by_role("link", name="Open my page at Stripe")) as portal:
            expect(portal.page.get_by_role("cell", name=PRICE)).to_be_visible()
            shown(portal, f"portal-{look}")
            portal.page.get_by_role("link", name=re.compile("^Back to ")).click()
            expect(portal.page).to_have_url(f"{service(running)}/billing/returned")
            shown(portal, f"returned-{look}")
            assert_in_the_middle(portal)
            assert_clean(portal)
        assert visitor.too_wide() == 0
        assert_clean(visitor)


# What visitors do


def say(page: Page, words: str) -> None:
    page.get_by_role("textbox", name="Message").fill(words)
    page.get_by_role("button", name="Send", exact=True).click()


def be(page: Page, name: str) -> None:
    page.get_by_role("combobox", name="You are").select_option(name)


@contextmanager
def card_page(visitor: Visit) -> Iterator[Visit]:
    """From the chat to Stripe's page, which opens in a tab of its own."""
    page = visitor.page
    say(page, "/buy")
    chat(page).get_by_role("button", name=PLAN).click()
    chat(page).get_by_role("button", name="Stripe").click()
    with followed(visitor, chat(page).get_by_role("link", name=f"Pay {PRICE}")) as paying:
        expect(paying.page.get_by_role("button", name=f"Pay {PRICE}")).to_be_visible()
        yield paying


@contextmanager
def followed(visitor: Visit, link: Locator) -> Iterator[Visit]:
    with visitor.page.context.expect_page() as opened:
        link.click()
    tab = Visit(opened.value, visitor.pictures)
    tab.watch()
    yield tab
    tab.page.close()


def chat(page: Page) -> Locator:
    return page.get_by_role("log", name="Messages")


def shown(visitor: Visit, name: str) -> None:
    """Nothing sticks out, nothing is too faint to be read."""
    visitor.picture(f"stripe-{name}", whole=True)
    assert visitor.too_wide() == 0
    assert visitor.faint() == []


def assert_in_the_middle(visitor: Visit) -> None:
    """The page is one card, and as much lies to its left as to its right."""
    card, window = visitor.page.get_by_role("main").bounding_box(), visitor.page.viewport_size
    assert card
    assert window
    assert card["width"] <= 440
    assert abs(card["x"] * 2 + card["width"] - window["width"]) <= 1
    assert abs(card["y"] * 2 + card["height"] - window["height"]) <= 1


def assert_clean(*visitors: Visit) -> None:
    """Nothing was complained of, and nothing asked for from outside this machine."""
    assert [complaint for visitor in visitors for complaint in visitor.complaints] == []
    assert {host for visitor in visitors for host in visitor.strangers() if not host.startswith("127.0.0.1:")} == set()


# What is true


def sandbox(running: Up) -> str:
    return f"http://127.0.0.1:{running.sandbox_port}"


def service(running: Up) -> str:
    return f"http://127.0.0.1:{running.port}"


def control(running: Up, method: str, path: str, body: Any) -> Any:
    answer = httpx.request(method, f"{sandbox(running)}/sandbox/api{path}", json=body, timeout=10)
    answer.raise_for_status()
    return answer.json()


def newcomer_called(running: Up, name: str) -> int:
    user: int = control(running, "POST", "/users", {"first_name": name})["id"]
    return user


def allowed(running: Up, user_id: int) -> bool:
    """What another service is told."""
    answer = httpx.get(
        f"{service(running)}/internal/v1/users/{user_id}/features/signals",
        headers={"Authorization": f"Bearer {running.token_file.read_text()}"},
        timeout=10,
    )
    answer.raise_for_status()
    return bool(answer.json()["allowed"])


def payments(running: Up, user_id: int) -> list[tuple[str, str, int, str]]:
    """Method, status, amount and currency of each, as the service tells the user."""
    maker = TokenMaker(written_settings(running.secrets_file)["AUTH_JWT_SECRET"], "tollgram", None)
    token = maker.make(subject=str(user_id), scopes=(), now=datetime.now(UTC), good_for=timedelta(minutes=5))
    answer = httpx.get(
        f"{service(running)}/api/v1/me/payments", headers={"Authorization": f"Bearer {token}"}, timeout=10
    )
    answer.raise_for_status()
    return [(one["method"], one["status"], one["amount"], one["currency"]) for one in answer.json()["items"]]


def confirmed() -> re.Pattern[str]:
    """The plan with its end, a month from now; or from a minute ago, for tests at midnight."""
    now = datetime.now(UTC)
    ends = {ONE_MONTH.after(moment) for moment in (now, now - timedelta(minutes=1))}
    words = "|".join(f"{end.day} {end:%B %Y}" for end in ends if end)
    return re.compile(rf"{PLAN}, until ({words})\b")
