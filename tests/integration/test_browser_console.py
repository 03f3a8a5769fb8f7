"""The console in a real browser: every page, by pointer and by keys, for those who see, who do not, and on a phone."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect

from tests.integration.browser import DESK, PATIENCE_MS, PHONE, Visit, chromium, visit
from tests.integration.buying import buy, invoice_for, newcomer, pay, rows
from tests.integration.conftest import set_webhook
from tests.integration.endpoints import EndpointServer
from tests.integration.operators import PASSWORD, STAFF, Operator
from tests.integration.sandbox_server import SandboxServer
from tests.integration.service import CATALOG, Service, eventually
from tests.integration.shop_history import ShopHistory

DECIDED = """
    SELECT kind, actor FROM telegram_payment_events
    WHERE user_id IN (?, ?) AND actor LIKE 'console:%' AND kind != 'refunded_payment' -- which follows on its own
"""
SHORT = "SELECT id FROM payments WHERE user_id = ? AND status = 'quarantined' ORDER BY received_at"
PICTURES = "TOLLGRAM_SCREENSHOTS" in os.environ


@pytest.fixture(scope="module")
def hook() -> Iterator[EndpointServer]:
    """Somebody's endpoint, which is gone when it is first asked."""
    with EndpointServer() as server:
        server.answers.append((410, {}))
        yield server


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> ShopHistory:
    return ShopHistory(f"sqlite:///{tmp_path_factory.mktemp('console')}/tollgram.db", datetime.now(UTC))


@pytest.fixture(scope="module")
def service(telegram: SandboxServer, history: ShopHistory, hook: EndpointServer) -> Iterator[Service]:
    """A shop with three weeks behind it."""
    folder = Path(history.database_url.removeprefix("sqlite:///")).parent
    pushed_to = [{"url": hook.url, "secret": "whsec_" + "A" * 32}]
    more = {"EVENT_WEBHOOKS_JSON": json.dumps(pushed_to), "EVENT_WEBHOOKS_ALLOW_PRIVATE": "true"}
    shop = Service(folder, telegram.url, {**STAFF, **more})
    (folder / "catalog.toml").write_text(CATALOG)
    shop.run("migrate")
    history.write(days=21, sales=30)
    with shop as running:
        set_webhook(telegram, running)
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    with chromium() as one:
        yield one


@pytest.fixture(scope="module")
def ada(service: Service) -> Operator:
    return Operator.sign_in(service, "ada")


@pytest.fixture(scope="module")
def pages(service: Service, hook: EndpointServer) -> Mapping[str, str]:
    """Every page by its name."""
    [held] = rows(service, "SELECT id, user_id FROM payments WHERE status = 'quarantined'")
    [granted] = rows(service, "SELECT id FROM payments WHERE status = 'granted' LIMIT 1")
    # The endpoint is told of what happens once it is known.
    [endpoint] = eventually(lambda: rows(service, "SELECT id FROM event_endpoints"))
    with service.as_service("entitlements:write") as client:
        gift = {"plan_code": "gold_1m", "reason": "a gift"}
        client.post(f"/internal/v1/users/{held['user_id']}/entitlements", json=gift).raise_for_status()
    eventually(lambda: rows(service, "SELECT id FROM event_endpoints WHERE disabled_at IS NOT NULL"))
    return {
        "login": "/console/login",
        "today": "/console?span=30d",
        "payments": "/console/payments",
        "quarantine": "/console/quarantine",
        "payment": f"/console/payments/{granted['id']}",
        "held": f"/console/payments/{held['id']}",
        "user": f"/console/users/{held['user_id']}",
        "found": "/console/search?q=420003",
        "plans": "/console/plans",
        "events": "/console/events",
        "endpoint": f"/console/events/{endpoint['id']}",
        "system": "/console/system",
        "report": "/console/system/report",
        "none": "/console/payments?status=refund_pending",
        "unconfirmed": "/console/payments?unconfirmed=yes",
        "reason": "/console/quarantine?reason=amount_mismatch",
        "by_amount": "/console/payments?sort=largest&currency=XTR",
        "none_by_amount": "/console/quarantine?sort=smallest&currency=GBP",
        "odd": "/console/payments?since=yesterday",
        "nowhere": "/console/nowhere",
    }


def come_in(visitor: Visit, operator: Operator, path: str = "/console") -> Page:
    visitor.page.context.add_cookies(operator.cookies)
    visitor.page.goto(operator.service.url + path)
    return visitor.page


def violations(page: Page) -> list[str]:
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [f"{one['id']}: {[node['html'][:90] for node in one['nodes']]}" for one in found]


@pytest.mark.parametrize(("size", "dark"), [(PHONE, False), (DESK, True)], ids=["390 wide, light", "1440 wide, dark"])
def test_every_page_can_be_used_by_everybody(
    browser: Browser, ada: Operator, pages: Mapping[str, str], tmp_path: Path, *, size: tuple[int, int], dark: bool
) -> None:
    with visit(browser, f"{ada.service.url}/console/login", tmp_path, size=size, dark=dark) as reader:
        page = reader.page
        for name, path in pages.items():
            if name != "login":  # which comes first, while nobody is signed in
                come_in(reader, ada, path)
            expect(page.get_by_role("heading", level=1)).to_be_visible()
            if name == "system":
                expect(page.get_by_text("to look at.")).to_be_visible()
                expect(page).to_have_title("System · Tollgram")
            assert violations(page) == [], name
            assert not re.search(r"(^|: )None$", page.inner_text("main"), re.MULTILINE), name
            assert reader.too_wide() == 0, name
            for also_dark in (dark, not dark) if PICTURES else ():
                page.emulate_media(color_scheme="dark" if also_dark else "light")
                reader.picture(f"console-{name}-{size[0]}-{'dark' if also_dark else 'light'}", whole=True)
        assert reader.strangers() == set()
        assert [words for words in reader.complaints if "404" not in words and "400" not in words] == []


def test_one_signs_in_and_walks_about_with_the_keyboard_alone(
    browser: Browser, service: Service, tmp_path: Path
) -> None:
    with visit(browser, f"{service.url}/console/plans", tmp_path) as visitor:
        page = visitor.page
        expect(page.get_by_label("Name")).to_be_focused()
        page.keyboard.type("ada")
        page.keyboard.press("Tab")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Plans")).to_be_visible()
        page.wait_for_load_state()

        page.keyboard.press("/")
        expect(page.get_by_role("searchbox")).to_be_focused()
        page.keyboard.type("j/k")
        expect(page.get_by_role("searchbox")).to_have_value("j/k")

        visitor.tab_to("Events")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Events", exact=True)).to_be_visible()
        focused = "document.activeElement.href ?? ''"
        for key, place in (("j", 0), ("j", 1), ("j", 2), ("k", 1)):
            page.keyboard.press(key)
            links = page.locator("a.row").evaluate_all("rows => rows.map((row) => row.href)")
            assert page.evaluate(focused) == links[place]
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile("/console/users/"))
        visitor.tab_to("Sign out")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        page.go_back()
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        assert visitor.complaints == []


def test_a_chart_says_what_its_table_says_and_a_figure_what_it_was_before(
    browser: Browser, service: Service, ada: Operator, tmp_path: Path
) -> None:
    with visit(browser, f"{service.url}/console/login", tmp_path) as visitor:
        page = come_in(visitor, ada)
        page.get_by_role("link", name="30 days").click()
        chart = page.get_by_role("figure", name="How much was taken in Stars?")
        expect(chart.locator("canvas")).to_be_visible()
        chart.get_by_text("The same as a table").click()
        shown = chart.get_by_role("row").all_inner_texts()
        assert len(shown) == 31
        paid = rows(service, "SELECT SUM(amount) AS stars FROM payments WHERE currency = 'XTR'")[0]["stars"]
        told = sum(int(re.sub(r"\D", "", row.split("\t")[1])) for row in shown[1:])
        assert told == paid
        expect(page.get_by_text(f"{paid:,} ⭐").first).to_be_visible()
        expect(page.get_by_text("1 payment waits for a decision of yours")).to_be_visible()
        page.get_by_role("link", name="Decide").click()
        expect(page.get_by_role("heading", name="Quarantine")).to_be_visible()


def test_events_go_out_once_more_when_an_operator_says_so(
    browser: Browser, ada: Operator, pages: Mapping[str, str], hook: EndpointServer, tmp_path: Path
) -> None:
    with visit(browser, f"{ada.service.url}/console/login", tmp_path) as visitor:
        page = come_in(visitor, ada, pages["endpoint"])
        expect(page.get_by_text("disabled").first).to_be_visible()
        expect(page.get_by_role("button", name="Push events once more")).to_have_count(0)

        page.get_by_role("button", name="Push to it again").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        visitor.picture("console-question-1440-light")
        assert violations(page) == []
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        page.get_by_role("button", name="Push to it again").click()
        page.get_by_role("button", name="Push again", exact=True).click()
        expect(page.get_by_text("is pushed to again.")).to_be_visible()
        assert "did=" not in page.url, "it is told once"
        eventually(lambda: len(hook.got) > 1)

        page.reload()
        page.get_by_role("button", name="Push events once more").click()
        page.get_by_label("Behind the event with number").fill("0")
        page.get_by_role("button", name="Push them").click()
        expect(page.get_by_text(re.compile(r"^\d+ events are pushed again"))).to_be_visible()
        eventually(lambda: len(hook.got) > 20)
        decided = rows(
            ada.service, "SELECT kind, actor FROM telegram_payment_events WHERE kind LIKE 'e%ed' AND bot = ''"
        )
        assert [(one["kind"], one["actor"]) for one in decided] == [
            ("endpoint_enabled", "console:ada"),
            ("events_replayed", "console:ada"),
        ]


def decide(page: Page, button: str, does: str, **filled: str) -> str:
    """Presses it, fills in what it asks, looks whether everybody can use the question, and says yes; what the page
    says then. Names of the fields are their labels."""
    page.get_by_role("button", name=button).first.click()
    question = page.get_by_role("dialog")
    expect(question).to_be_visible()
    assert violations(page) == [], button
    for label, value in filled.items():
        field = question.get_by_label(label, exact=True)
        if field.evaluate("field => field.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(value)
    question.get_by_role("button", name=does, exact=True).click()
    notice = page.locator(".notice[data-once]")
    expect(notice).to_be_visible()
    assert "notice good" in (notice.get_attribute("class") or ""), notice.inner_text()
    return notice.inner_text()


def test_every_decision_is_made_in_the_browser_and_every_question_can_be_used_by_everybody(
    browser: Browser, service: Service, telegram: SandboxServer, ada: Operator, tmp_path: Path
) -> None:
    bo = Operator.sign_in(service, "bo")
    payer, rich = newcomer(telegram), newcomer(telegram)
    for _ in range(2):
        pay(telegram, payer, invoice_for(service, payer, "day_pass"), amount=1, forge_at="payment")
    large = [buy(service, telegram, rich, "founder").charge_id, buy(service, telegram, payer, "founder").charge_id]
    granted, refunded = (page_of(row["id"]) for row in rows(service, SHORT, payer))
    asked = [page_of(rows(service, "SELECT id FROM payments WHERE charge_id = ?", one)[0]["id"]) for one in large]

    with visit(browser, f"{service.url}/console/login", tmp_path) as visitor:
        page = come_in(visitor, ada, granted)
        assert decide(page, "Grant it …", "Grant it", Why="a good customer").startswith("Granted: Day pass")
        page.goto(service.url + refunded)
        assert "go back to" in decide(page, "Refund …", "Give 1 ⭐ back", Why="a mistake")
        for one in asked:
            page.goto(service.url + one)
            assert "Another operator is needed" in decide(page, "Refund …", "Ask for the refund", Why="a mistake")
        page.goto(f"{service.url}/console/users/{rich}")
        given = {"Plan": "gold_1m", "For how long": "2 weeks", "Why": "a gift"}
        assert decide(page, "Grant or extend …", "Grant it", **given).startswith("Granted: Gold, 1 month, until")
        gold = page.get_by_role("row").filter(has_text="Gold").get_by_role("button", name="End it …")
        gold.click()
        assert violations(page) == []
        page.get_by_role("dialog").get_by_label("Why").fill("a mistake")
        page.get_by_role("button", name="End it now").click()
        expect(page.get_by_text("Ended: Gold, 1 month. No money went back.")).to_be_visible()
        assert visitor.complaints == []

    with visit(browser, f"{service.url}/console/login", tmp_path) as visitor:
        page = come_in(visitor, bo, "/console/payments")
        expect(page.get_by_role("heading", name="Refunds that wait for a second operator")).to_be_visible()
        page.goto(service.url + asked[0])
        assert "Approved: 25,000 ⭐ go back" in decide(page, "Approve the refund", "Give 25,000 ⭐ back")
        page.goto(service.url + asked[1])
        assert "Declined." in decide(page, "Decline the refund", "Leave it", Why="it is none")
        assert visitor.complaints == []
    assert sorted((one["kind"], one["actor"]) for one in rows(service, DECIDED, payer, rich)) == [
        ("entitlement_granted", "console:ada"),
        ("entitlement_revoked", "console:ada"),
        ("payment_resolved", "console:ada"),
        ("refund_approved", "console:bo"),
        ("refund_asked", "console:ada"),
        ("refund_asked", "console:ada"),
        ("refund_declined", "console:bo"),
        ("refund_ordered", "console:ada"),
        ("refund_ordered", "console:ada"),
    ]


def test_a_question_that_is_answered_with_no_is_asked_again_as_it_was_filled_in(
    browser: Browser, service: Service, telegram: SandboxServer, ada: Operator, tmp_path: Path
) -> None:
    user = newcomer(telegram)
    filled = {"Plan": "gold_1m", "For how long": "3 fortnights", "Why": "<b>a gift</b>"}
    with visit(browser, f"{service.url}/console/login", tmp_path, size=PHONE) as visitor:
        page = come_in(visitor, ada, f"/console/users/{user}")
        page.get_by_role("button", name="Grant or extend …").click()
        question = page.get_by_role("dialog")
        question.get_by_label("Plan").select_option(filled["Plan"])
        for label in ("For how long", "Why"):
            question.get_by_label(label).fill(filled[label])
        question.get_by_role("button", name="Grant it").click()

        expect(question.get_by_role("alert")).to_contain_text("Nothing was changed. 3 fortnights is no length of time")
        for label, words in filled.items():
            expect(question.get_by_label(label)).to_have_value(words)
        assert violations(page) == []
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Grant or extend …").click()
        expect(question.get_by_role("alert")).to_have_count(0)
        expect(question.get_by_label("Why")).to_have_value(filled["Why"])
        question.get_by_label("For how long").fill("2 weeks")
        question.get_by_role("button", name="Grant it").click()
        expect(page.get_by_text("Granted: Gold, 1 month, until")).to_be_visible()
        expect(question).to_have_count(0)
        page.reload()
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(question).to_have_count(0)
        assert visitor.complaints == []


def page_of(payment_id: str) -> str:
    return f"/console/payments/{payment_id}"


def test_what_can_not_be_brought_up_to_date_says_so_and_goes_on_when_it_can(
    browser: Browser, service: Service, ada: Operator, tmp_path: Path
) -> None:
    def refuse(route: Route) -> None:
        route.abort()

    with visit(browser, f"{service.url}/console/login", tmp_path) as visitor:
        page = come_in(visitor, ada)
        ask = "htmx.ajax('GET', '/console', { target: '#now', select: '#now', swap: 'outerHTML' })"
        page.route("**/console", refuse)
        page.evaluate(f"{ask}.catch(() => 0)")
        expect(page.get_by_role("alert")).to_contain_text("could not be brought up to date")
        page.unroute("**/console")
        page.evaluate(ask)
        expect(page.get_by_text("could not be brought up to date")).to_be_hidden()
