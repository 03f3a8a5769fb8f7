"""An operator finds a user or a payment, reads what happened and why, and decides: once, with a reason, by name."""

import csv
import io
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Frame, expect

from tests.integration.browser import PHONE, Visit, chromium, visit
from tests.integration.buying import (
    buy,
    entitlements_of,
    invoice_for,
    make_older,
    newcomer,
    pay,
    payments_of,
    rows,
    trail_of,
)
from tests.integration.conftest import set_webhook
from tests.integration.operators import STAFF, Operator, words_of
from tests.integration.sandbox_server import SandboxServer
from tests.integration.service import Service, eventually

MANY_MORE = """
    INSERT INTO payments (id, provider, charge_id, provider_charge_id, bot, user_id, amount, currency, method, payload,
        charged_at, message, plan_code, status, received_at)
    WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 50)
    SELECT 'pay_more' || n, provider, 'more' || n, '', bot, 1, amount, currency, method, payload, charged_at, message,
        plan_code, 'granted', received_at
    FROM numbers, (SELECT * FROM payments LIMIT 1)
"""
TEN_THOUSAND_MORE = MANY_MORE.replace("n < 50", "n <= 10000").replace("more'", "thousands'")
STALE = timedelta(hours=2)
EVIL = '<img src=x onerror=alert(1)>"\u202e\u200b'


@pytest.fixture(scope="module")
def service(telegram: SandboxServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("console"), telegram.url, STAFF) as running:
        set_webhook(telegram, running)
        yield running


@pytest.fixture(scope="module")
def ada(service: Service) -> Operator:
    return Operator.sign_in(service, "ada")


@pytest.fixture(scope="module")
def bo(service: Service) -> Operator:
    return Operator.sign_in(service, "bo")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as it:
        yield it


def short(service: Service, telegram: SandboxServer, name: str = "Ada") -> tuple[int, str, str]:
    """Somebody pays one Star instead of the price: who, the payment's id and its charge id."""
    user = newcomer(telegram, name)
    outcome = pay(telegram, user, invoice_for(service, user), amount=1, forge_at="payment")
    return user, payment_of(service, str(outcome.charge_id)), str(outcome.charge_id)


def payment_of(service: Service, charge_id: str) -> str:
    [row] = rows(service, "SELECT id FROM payments WHERE charge_id = ?", charge_id)
    return str(row["id"])


def page_of(payment_id: str) -> str:
    return f"/console/payments/{payment_id}"


def heard_of(service: Service, user: int) -> None:
    """Names are kept a moment after they were heard."""
    eventually(lambda: rows(service, "SELECT 1 FROM people WHERE user_id = ?", user))


@pytest.mark.threat(18)
def test_i_paid_and_nothing_happened_is_explained_after_one_search_and_at_most_one_click(
    service: Service, telegram: SandboxServer, ada: Operator, browser: Browser, tmp_path: Path
) -> None:
    user, _, charge_id = short(service, telegram, EVIL)
    heard_of(service, user)
    with visit(browser, "about:blank", tmp_path) as seen:
        seen.page.context.add_cookies(ada.cookies)
        seen.page.goto(f"{service.url}/console")
        been = pages_loaded(seen)
        search_for(seen, charge_id)
        seen.page.wait_for_url("**/console/payments/pay_*")
        sentence = seen.page.inner_text(".explained .sentence")
        assert sentence.startswith(
            "Quarantined: the amount paid, 1 ⭐, was not the amount offered, which was 1,250 ⭐."
        )
        assert seen.page.inner_text(".explained .quiet") == "Grant it or give it back; until then it waits."
        assert len(been) == 1, been
        assert not seen.page.query_selector("img")
        assert seen.page.inner_text("h1 + p .theirs") == '<img src=x onerror=alert(1)>"'
        looks_right(seen)


@pytest.mark.threat(18)
def test_one_search_tells_what_became_of_it_whatever_that_is(
    service: Service, telegram: SandboxServer, ada: Operator, browser: Browser, tmp_path: Path
) -> None:
    granted, refunded = (buy(service, telegram, newcomer(telegram)) for _ in range(2))
    page = page_of(payment_of(service, refunded.charge_id))
    ada.act(page, f"{page}/refund", reason="a mistake")
    eventually(lambda: "Given back on" in ada.words(page))
    late = newcomer(telegram)
    refused = invoice_for(service, late)
    make_older(service, refused["invoice_id"], by=STALE)
    assert pay(telegram, late, refused).status == "refused"
    with visit(browser, "about:blank", tmp_path) as seen:
        seen.page.context.add_cookies(ada.cookies)
        seen.page.goto(f"{service.url}/console")
        been = pages_loaded(seen)
        for searched, place, words in (
            (granted.charge_id, "/console/payments/pay_", "Granted: Gold, 1 month, open since"),
            (granted.invoice["invoice_id"], "/console/users/", "Paid 1,250 ⭐"),
            (refunded.charge_id, "/console/payments/pay_", "Given back on"),
            (refused["invoice_id"], f"/console/users/{late}", "Pre-checkout refused: the invoice had expired"),
            ("ch_that_nobody_has", "/console/search?q=", "Nothing is known by that"),
        ):
            been.clear()
            search_for(seen, searched)
            expect(seen.page.get_by_role("main")).to_contain_text(words)
            assert [url.removeprefix(service.url).startswith(place) for url in been] == [True], (searched, been)
        assert seen.complaints == []


def pages_loaded(seen: Visit) -> list[str]:
    """The addresses that the window goes to from now on."""
    been: list[str] = []

    def note(frame: Frame) -> None:
        if frame == seen.page.main_frame:
            been.append(frame.url)

    seen.page.on("framenavigated", note)
    return been


def search_for(seen: Visit, text: str) -> None:
    """As somebody does who has their hands on the keys."""
    seen.page.keyboard.press("/")
    # What was looked for before is still in the box.
    seen.page.keyboard.press("Control+a")
    seen.page.keyboard.type(text)
    seen.page.keyboard.press("Enter")


def looks_right(seen: Visit) -> None:
    assert seen.complaints == []
    assert seen.faint() == []
    assert seen.too_wide() == 0


def test_an_operator_gives_money_back_in_the_browser_and_a_double_click_gives_it_once(
    service: Service, telegram: SandboxServer, ada: Operator, browser: Browser, tmp_path: Path
) -> None:
    user, payment, _ = short(service, telegram)
    with visit(browser, "about:blank", tmp_path, size=PHONE) as seen:
        seen.page.context.add_cookies(ada.cookies)
        seen.page.goto(service.url + page_of(payment))
        seen.page.click("[data-opens=refund]")
        assert f"Give 1 ⭐ back to user {user}?" in seen.page.inner_text("dialog[open]")
        assert "can't be undone" in seen.page.inner_text("dialog[open]")
        seen.page.fill("#refund-reason", "a mistake")
        seen.page.dblclick("dialog[open] button[type=submit]")
        seen.page.wait_for_selector(".notice.good")
        assert "go back to user" in seen.page.inner_text(".notice")
        looks_right(seen)
    eventually(lambda: payments_of(service, user)[0]["status"] == "refunded")
    [ordered] = trail_of(service, user, "refund_ordered")
    assert (ordered["actor"], ordered["note"]) == ("console:ada", "a mistake")
    assert "Given back on" in ada.words(page_of(payment))


@pytest.mark.threat(39)
def test_a_form_that_is_sent_many_times_at_once_is_carried_out_once(
    service: Service, telegram: SandboxServer, ada: Operator
) -> None:
    user, payment, _ = short(service, telegram)
    action = f"{page_of(payment)}/grant"
    form = ada.form(page_of(payment), action, reason="a good customer")
    with ThreadPoolExecutor(4) as at_once:
        answers = list(at_once.map(lambda _: ada.send(action, form), range(4)))
    assert {answer.status_code for answer in answers} == {200}
    assert all("Granted: Gold, 1 month" in answer.text for answer in answers)
    assert len(entitlements_of(service, user)) == 1
    assert len(trail_of(service, user, "payment_resolved")) == 1
    again = ada.act(f"/console/users/{user}", f"/console/users/{user}/grant", plan_code="gold_1m", reason="more")
    assert "Granted: Gold, 1 month, until" in again
    assert len(entitlements_of(service, user)) == 2


def test_whoever_decides_after_somebody_else_is_told_how_it_stands_and_changes_nothing(
    service: Service, telegram: SandboxServer, ada: Operator, bo: Operator
) -> None:
    user, payment, _ = short(service, telegram)
    late = bo.form(page_of(payment), f"{page_of(payment)}/grant", reason="me too")
    ada.act(page_of(payment), f"{page_of(payment)}/grant", reason="me first")
    told = bo.send(f"{page_of(payment)}/grant", late).text
    assert "Nothing was changed." in told
    assert "not in quarantine" in told
    assert len(entitlements_of(service, user)) == 1


def test_a_payment_in_quarantine_is_granted_to_another_user_where_an_operator_says_so(
    service: Service, telegram: SandboxServer, ada: Operator
) -> None:
    _, payment, _ = short(service, telegram)
    friend = newcomer(telegram)
    ada.act(
        page_of(payment), f"{page_of(payment)}/grant", reason="for a friend", plan_code="day_pass", user_id=str(friend)
    )
    assert [held["plan_code"] for held in entitlements_of(service, friend)] == ["day_pass"]
    assert f"Granted for another user, {friend}: Day pass, open since" in ada.words(page_of(payment))


@pytest.mark.threat(39)
def test_a_large_refund_needs_two_operators_and_who_asked_can_t_approve(
    service: Service, telegram: SandboxServer, ada: Operator, bo: Operator
) -> None:
    user = newcomer(telegram)
    payment = payment_of(service, buy(service, telegram, user, "founder").charge_id)
    page = page_of(payment)
    assert "another operator must approve it" in ada.page(page)
    assert "Another operator is needed to give back 25,000 ⭐." in ada.act(page, f"{page}/refund", reason="a mistake")
    assert payments_of(service, user)[0]["status"] == "granted"
    assert f'action="{page}/approve"' not in ada.page(page)
    form = ada.form(page, f"{page}/decline") | {"reason": ""}
    assert "another operator must" in ada.send(f"{page}/approve", form).text
    assert "refund waits for a second operator" in bo.words("/console")
    assert 'id="asked-title"' in bo.page("/console/payments"), "where Today leads to"
    for list_ in ("/console/payments", "/console/quarantine"):
        assert "Refunds that wait for a second operator" in bo.words(list_)
    assert "Approved: 25,000 ⭐ go back" in bo.act(page, f"{page}/approve")
    eventually(lambda: payments_of(service, user)[0]["status"] == "refunded")
    assert "Refunds that wait for a second operator" not in bo.words("/console/payments")
    assert "refund waits for a second operator" not in bo.words("/console")
    assert trail_of(service, user, "refund_approved")[0]["actor"] == "console:bo"
    assert not entitlements_of(service, user)[0]["active"]


def test_a_large_refund_can_be_declined_with_a_reason(
    service: Service, telegram: SandboxServer, ada: Operator, bo: Operator
) -> None:
    user = newcomer(telegram)
    page = page_of(payment_of(service, buy(service, telegram, user, "founder").charge_id))
    ada.act(page, f"{page}/refund", reason="a mistake")
    assert "Declined." in bo.act(page, f"{page}/decline", reason="it is none")
    assert payments_of(service, user)[0]["status"] == "granted"
    assert "by bo : it is none" in bo.words(page)


def test_access_is_given_extended_and_ended_by_hand_and_stands_on_the_trail_by_name(
    service: Service, telegram: SandboxServer, ada: Operator
) -> None:
    user = newcomer(telegram)
    page, grant = f"/console/users/{user}", f"/console/users/{user}/grant"
    ada.act(page, grant, plan_code="day_pass", reason="welcome", duration="2 weeks")
    ada.act(page, grant, plan_code="day_pass", reason="some more")
    later, first = entitlements_of(service, user)
    assert later["starts_at"] == first["expires_at"]
    words = ada.words(page)
    assert "active" in words
    assert "starts later" in words
    ended = f"/console/entitlements/{first['entitlement_id']}/revoke"
    assert "Ended: Day pass. No money went back." in ada.act(page, ended, reason="a mistake")
    assert [entry["actor"] for entry in trail_of(service, user, "entitlement_granted")] == ["console:ada"] * 2
    assert trail_of(service, user, "entitlement_revoked")[0]["note"] == "a mistake"
    for wrong, problem in (
        ({"plan_code": "day_pass", "reason": "x", "duration": "soon"}, "soon is no length of time: write 2 weeks"),
        ({"plan_code": "day_pass"}, "Say why"),
        ({"plan_code": "", "reason": "x"}, "Choose a plan."),
        ({"plan_code": "no_plan", "reason": "x"}, "Nothing was changed."),
    ):
        assert problem in ada.act(page, grant, **wrong)
    assert len(entitlements_of(service, user)) == 3


@pytest.mark.threat(23)
def test_a_viewer_sees_all_of_it_and_no_act_and_can_carry_out_none(
    service: Service, telegram: SandboxServer, ada: Operator
) -> None:
    user, payment, _ = short(service, telegram)
    vi = Operator.sign_in(service, "vi")
    for path in (page_of(payment), f"/console/users/{user}", "/console/payments", "/console/quarantine"):
        page = vi.page(path)
        assert "<dialog" not in page
        assert page.count('<form method="post"') <= 0 or 'action="/console/logout"' in page
    own = vi.page(page_of(payment))
    token = own.split('name="token" value="')[1].split('"')[0]
    once = ada.form(page_of(payment), f"{page_of(payment)}/grant")["once"]
    for action in ("refund", "grant", "approve", "decline"):
        answer = vi.send(
            f"{page_of(payment)}/{action}", {"token": token, "once": once, "back": "/console", "reason": "x"}
        )
        assert answer.status_code == 403
        assert "change nothing" in answer.text
    assert payments_of(service, user)[0]["status"] == "quarantined"


@pytest.mark.threat(18, 31)
def test_everything_is_found_by_one_box_and_names_are_inert(
    service: Service, telegram: SandboxServer, ada: Operator
) -> None:
    user = newcomer(telegram, EVIL, last_name="שרה", username="evil_one")
    bought = buy(service, telegram, user)
    heard_of(service, user)
    page = ada.words(f"/console/users/{user}")
    assert "@evil_one" in page
    assert "Paid 1,250 ⭐ · granted" in page
    for text in (
        str(user),
        "שרה",
        "@evil_o",
        bought.charge_id,
        bought.invoice["invoice_id"],
        payment_of(service, bought.charge_id),
    ):
        found = ada.page(f"/console/search?q={text}")
        assert "<img" not in found
        assert "\u202e" not in found
        assert f"/console/users/{user}" in found or str(user) in found, text
    assert "Nothing is known by that" in ada.words("/console/search?q=nobody%27%20OR%201=1")
    assert "Nothing was asked for" in ada.words("/console/search")
    assert "Nothing is known of this user" in ada.words("/console/users/987654321")
    for odd, status in (
        ("/console/users/x", 400),
        ("/console/payments/pay_404", 404),
        ("/console/payments/a-b", 404),
        (f"/console/users/{user}?cursor=x", 400),
    ):
        ada.page(odd, status)


def test_the_lists_keep_their_filters_in_the_address_and_go_on_from_page_to_page(
    service: Service, telegram: SandboxServer, ada: Operator
) -> None:
    user = newcomer(telegram)
    for _ in range(2):
        buy(service, telegram, user, "day_pass")
    day = rows(service, "SELECT substr(received_at, 1, 10) AS day FROM payments LIMIT 1")[0]["day"]
    address = f"/console/payments?user_id={user}&plan_code=day_pass&method=stars&status=granted&since={day}&until={day}"
    page = ada.page(address)
    assert page.count('class="row"') == 2
    assert 'value="granted" selected' in page
    assert f'value="{user}"' in page
    assert page.count('class="row"') == ada.page(f"{address}&sort=oldest").count('class="row"')
    assert "No payment is like that" in ada.words(f"/console/payments?user_id={user}&status=refunded")
    for wrong in (
        "status=odd",
        "method=odd",
        "user_id=x",
        "since=2026-13-01",
        "until=9999-12-31",
        "sort=odd",
        "sort=largest",
        "sort=largest&currency=XXX",
        "cursor=odd",
        f"charge_id={'x' * 256}",
    ):
        ada.page(f"/console/payments?{wrong}", 400)
    typed = ada.page("/console/payments?user_id=Ann&status=refunded&since=2026-11-28", 400)
    assert "A user id is a whole number. Names are found by the search above." in words_of(typed)
    for kept in ('value="Ann"', 'value="refunded" selected', 'value="2026-11-28"'):
        assert kept in typed
    assert "The reason is one of" in ada.page("/console/quarantine?reason=odd", 400)
    # As many more as make a second page.
    rows(service, MANY_MORE)
    first = ada.page("/console/payments?sort=newest")
    assert first.count('class="row" href="/console/payments/') >= 50
    onward = first.split('rel="next" href="')[1].split('"')[0].replace("&amp;", "&")
    assert "These are the last." in ada.page(onward)


def test_lists_are_sorted_by_amount_within_a_currency_and_no_further_than_is_quick(
    service: Service, telegram: SandboxServer, ada: Operator
) -> None:
    user = newcomer(telegram)
    day, gold = (buy(service, telegram, user, plan_code) for plan_code in ("day_pass", "gold_1m"))
    held = pay(telegram, user, invoice_for(service, user, "day_pass"), amount=7, forge_at="payment")
    by_card = buy(service, telegram, user, "pounds_only")
    of_user = f"/console/payments?user_id={user}"
    charges = {str(one.charge_id): name for one, name in ((day, "75"), (gold, "1250"), (held, "7"), (by_card, "GBP"))}

    def shown(address: str) -> list[str]:
        found = re.findall(r'title="([^"]+)"', ada.page(address))
        return [charges[one] for one in dict.fromkeys(found) if one in charges]

    assert shown(f"{of_user}&sort=largest&currency=XTR") == ["1250", "75", "7"]
    assert shown(f"{of_user}&sort=smallest&currency=XTR") == ["7", "75", "1250"]
    assert shown(f"{of_user}&sort=largest&currency=GBP") == ["GBP"]
    assert shown(f"{of_user}&sort=largest&currency=XTR&status=granted") == ["1250", "75"]
    assert shown("/console/quarantine?sort=largest&currency=GBP") == []
    assert "7" in shown("/console/quarantine?sort=smallest&currency=XTR")
    page = ada.page(f"{of_user}&sort=largest&currency=XTR")
    assert "Largest first, of what was paid in Stars" in words_of(page)
    assert '<input type="hidden" name="currency" value="XTR">' in page
    for words, sort in (("newest first", "newest"), ("smallest in Stars", "smallest&amp;currency=XTR")):
        assert f'sort={sort}">{words}</a>' in page
    assert 'sort=largest&amp;currency=GBP">largest in GBP</a>' in ada.page(of_user)

    rows(service, TEN_THOUSAND_MORE)
    try:
        said = ada.words("/console/payments?sort=largest&currency=GBP")
        assert "More than 10,000 payments are like that" in said
        assert "choose a shorter time, a plan or a user" in said
        assert shown(f"{of_user}&sort=largest&currency=XTR") == ["1250", "75", "7"]
    finally:
        rows(service, "DELETE FROM payments WHERE charge_id LIKE 'thousands%'")


def test_events_are_shown_though_nobody_has_read_them_yet(
    service: Service, telegram: SandboxServer, ada: Operator
) -> None:
    user = newcomer(telegram)
    bought = buy(service, telegram, user)
    shown = ada.page("/console/events")
    assert "payment.settled" in shown
    assert f'href="/console/users/{user}"' in shown
    assert payment_of(service, str(bought.charge_id)) in shown


def test_a_message_that_was_given_up_is_counted_with_what_it_means_and_what_to_do(
    service: Service, telegram: SandboxServer, ada: Operator
) -> None:
    user = newcomer(telegram)
    telegram.block(user)
    with service.as_service("entitlements:write") as client:
        gift = {"plan_code": "gold_1m", "reason": "a gift"}
        client.post(f"/internal/v1/users/{user}/entitlements", json=gift).raise_for_status()
    eventually(lambda: rows(service, "SELECT 1 FROM outbox WHERE chat_id = ? AND given_up_at IS NOT NULL", user))

    system = ada.words("/console/system")
    assert "of the last 7 days was given up: Telegram refused it for good" in system
    assert "access given" in system
    assert "bot was blocked by the user" in system
    assert f"/console/users/{user}" in ada.page("/console/system")
    assert "of the last 7 days given up" in ada.words("/console")


@pytest.mark.threat(19)
def test_lists_are_exported_by_session_and_no_cell_is_a_formula(
    service: Service, telegram: SandboxServer, ada: Operator
) -> None:
    user = newcomer(telegram)
    bought = buy(service, telegram, user)
    formula = "=HYPERLINK(1)"
    rows(service, "UPDATE payments SET provider_charge_id = ? WHERE charge_id = ?", formula, bought.charge_id)
    text = ada.client.get(f"/console/payments/export?user_id={user}&format=csv")
    assert text.headers["content-disposition"] == 'attachment; filename="payments.csv"'
    [row] = csv.DictReader(io.StringIO(text.text))
    assert (row["charge_id"].lstrip("'"), row["provider_charge_id"]) == (bought.charge_id, f"'{formula}")
    [line] = ada.client.get(f"/console/payments/export?user_id={user}&format=jsonl").text.splitlines()
    assert json.loads(line)["provider_charge_id"] == formula
    assert ada.client.get("/console/payments/export?format=xls").status_code == 400
    service_client = Operator(service, "nobody", type(ada.client)(base_url=service.url, verify=False))
    assert service_client.client.get("/console/payments/export").headers["location"].startswith("/console/login")


def test_each_reason_is_told_in_a_sentence(service: Service, telegram: SandboxServer, ada: Operator) -> None:
    payer, other = newcomer(telegram), newcomer(telegram)
    issued = invoice_for(service, other)
    telegram.pay(other, issued["telegram_message_id"], as_user=payer, skip_pre_checkout=True)
    late = invoice_for(service, payer, "day_pass")
    make_older(service, late["invoice_id"], by=STALE)
    pay(telegram, payer, late, skip_pre_checkout=True)
    pay(telegram, payer, invoice_for(service, payer, "day_pass"), payload="odd", forge_at="payment")
    ids = [row["id"] for row in rows(service, "SELECT id FROM payments WHERE user_id = ? ORDER BY received_at", payer)]
    eventually(lambda: "Given back on" in ada.words(page_of(ids[0])))
    wrong, stale, odd = (ada.words(page_of(id)) for id in ids)
    assert f", because the invoice was issued to user {other}, but user {payer} paid it." in wrong
    assert "the invoice had expired at" in stale
    assert "it names no invoice that this service has signed" in odd
