"""The console shows nothing to strangers, takes no orders from other sites, and does nothing twice by accident."""

import gzip
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from entrypoints.console.routes import routes
from entrypoints.console.visitors import ABSOLUTE, IDLE
from tests.integration.buying import buy, invoice_for, newcomer, pay, payments_of, rows
from tests.integration.conftest import set_webhook
from tests.integration.console_visitor import Visitor, said_by
from tests.integration.operators import PASSWORD, STAFF
from tests.integration.sandbox_server import SandboxServer
from tests.integration.service import LOOPBACK, WEBHOOK_SECRET, Service, eventually

SECRET_OF_PAGES = re.compile(r'name="(token|once)"|ada|charge_id|pay_[0-9a-f]')


@pytest.fixture(scope="module")
def service(telegram: SandboxServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("console"), telegram.url, STAFF) as running:
        set_webhook(telegram, running)
        yield running


@pytest.fixture(scope="module")
def ada(service: Service) -> Iterator[Visitor]:
    with Visitor(service, "ada") as browser:
        yield browser


def paid(service: Service, telegram: SandboxServer, name: str = "Bo") -> tuple[int, str]:
    """Somebody has bought Gold; who, and the payment's id."""
    user = newcomer(telegram, name)
    buy(service, telegram, user)
    [payment] = payments_of(service, user)
    return user, payment["payment_id"]


def held(service: Service, telegram: SandboxServer) -> tuple[int, str]:
    """Somebody has paid one Star less, which waits for a person."""
    user = newcomer(telegram, "Cy")
    pay(telegram, user, invoice_for(service, user), amount=1249, forge_at="payment")
    [payment] = payments_of(service, user)
    assert payment["status"] == "quarantined"
    return user, payment["payment_id"]


def addresses(method: str) -> list[str]:
    """Every address of the console that takes this method."""
    pages, _ = routes()
    paths = [route.path for route in pages.routes if method in route.methods]
    return [re.sub(r"{[^}]+}", "420001", path) for path in paths if "login" not in path]


def refunds_asked(service: Service, payment_id: str) -> list[dict[str, Any]]:
    return rows(service, "SELECT * FROM refund_orders WHERE payment_id = ?", payment_id)


@pytest.mark.threat(35)
def test_without_users_there_is_no_console(telegram: SandboxServer, tmp_path: Path) -> None:
    with Service(tmp_path, telegram.url) as bare:
        for path in ("/console", "/console/login", "/console/static/console.js", "/console/payments"):
            answer = LOOPBACK.get(f"{bare.url}{path}")
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.threat(35)
def test_who_is_not_signed_in_gets_to_the_sign_in_page_from_everywhere_and_sees_nothing(service: Service) -> None:
    with Visitor(service) as stranger:
        for path in addresses("GET"):
            answer = stranger.get(path)
            assert answer.status_code == 303, path
            assert answer.headers["location"].startswith("/console/login"), path
            assert answer.content == b""
        for path in addresses("POST"):
            answer = stranger.send_form(path, {"token": "x", "once": "x" * 22, "reason": "none"})
            assert (answer.status_code, answer.headers["location"][:14]) == (303, "/console/login"), path
        of_a_page = {"HX-Request": "true", "HX-Current-URL": f"{service.url}/console/plans"}
        piece = stranger.get("/console", headers=of_a_page)
        assert piece.headers["hx-redirect"] == "/console/login?next=/console/plans"
        assert piece.content == b""


@pytest.mark.threat(35)
def test_pages_are_kept_framed_and_indexed_by_nobody_and_run_nothing_but_our_own_files(ada: Visitor) -> None:
    for path in ("/console", "/console/login", "/console/nowhere", "/console/plans"):
        headers = ada.get(path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Robots-Tag"] == "noindex"
    page = ada.page("/console/system")
    assert not re.search(r"<script(?![^>]* src=)|<style| style=| on[a-z]+=", page)
    assert "://" not in re.sub(r"<dd>.*?</dd>", "", page), "no address of anybody else's"


@pytest.mark.threat(35)
def test_a_viewer_sees_all_of_it_and_can_change_nothing(
    service: Service, telegram: SandboxServer, ada: Visitor
) -> None:
    user, payment_id = held(service, telegram)
    with Visitor(service, "vi") as vi:
        page = vi.page(f"/console/payments/{payment_id}")
        assert "1,249 ⭐" in page
        assert 'name="once"' not in page
        mine = vi.fields("/console", "/console/logout")
        for path in addresses("POST"):
            if path.endswith("logout"):
                continue
            answer = vi.send_form(path.replace("420001", payment_id), {**mine, "once": "v" * 22, "reason": "none"})
            assert answer.status_code == 403, path
            assert "change nothing" in answer.text
    assert [payment["status"] for payment in payments_of(service, user)] == ["quarantined"]


@pytest.mark.threat(38)
def test_only_what_a_page_of_ours_has_sent_is_carried_out(
    service: Service, telegram: SandboxServer, ada: Visitor
) -> None:
    user, payment_id = held(service, telegram)
    action = f"/console/payments/{payment_id}/grant"
    fields = {**ada.fields(f"/console/payments/{payment_id}", action), "reason": "a test"}
    ours = {"Origin": service.url}
    for said in (
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": f"{service.url}.evil.example"},
        {"Origin": service.url.replace("http:", "https:")},
        {**ours, "Sec-Fetch-Site": "cross-site"},
        {**ours, "Sec-Fetch-Site": "same-site"},
        {**ours, "Sec-Fetch-Site": "none"},
    ):
        assert ada.send_form(action, fields, said).status_code == 403, said
        assert [payment["status"] for payment in payments_of(service, user)] == ["quarantined"]
    assert ada.send_form(action, fields, ours).status_code == 303
    assert [payment["status"] for payment in payments_of(service, user)] == ["granted"]


@pytest.mark.threat(38)
def test_a_form_without_the_visitor_s_own_token_is_not_carried_out(
    service: Service, telegram: SandboxServer, ada: Visitor
) -> None:
    user, payment_id = held(service, telegram)
    action = f"/console/payments/{payment_id}/grant"
    fields = {**ada.fields(f"/console/payments/{payment_id}", action), "reason": "a test"}
    with Visitor(service, "bo") as bo:
        others = bo.fields(f"/console/payments/{payment_id}", action)
    for token in ("", "x", others["token"], fields["token"][:-1] + "ü"):
        assert ada.send_form(action, {**fields, "token": token}).status_code == 403
    for once in ("", "x", "x" * 23):
        assert ada.send_form(action, {**fields, "once": once}).status_code == 400
    assert ada.post(action, json=fields, headers=ada.origin).status_code == 415
    typed = {**ada.origin, "Content-Type": "application/x-www-form-urlencoded"}
    for body, status in (("a=1&a=2", 400), ("a=%ff", 400), ("a", 400), ("ü=1", 400), ("a=" + "x" * 70_000, 413)):
        assert ada.post(action, content=body.encode(), headers=typed).status_code == status
    assert ada.get(action).status_code in (404, 405), "nothing is changed by looking"
    assert [payment["status"] for payment in payments_of(service, user)] == ["quarantined"]


@pytest.mark.threat(38)
def test_nobody_is_signed_in_or_out_by_another_site(service: Service, ada: Visitor) -> None:
    with Visitor(service) as stranger:
        fields = stranger.fields("/console/login", "/console/login")
        filled = {**fields, "name": "ada", "password": PASSWORD}
        assert stranger.send_form("/console/login", filled, {"Origin": "https://evil.example"}).status_code == 403
        assert stranger.send_form("/console/login", {**filled, "token": "x"}).status_code == 403
    assert ada.send_form("/console/logout", {"token": "x"}).status_code == 403
    ada.page("/console")


@pytest.mark.threat(39)
def test_a_form_that_is_sent_twice_at_once_is_carried_out_once_and_both_are_told_the_same(
    service: Service, telegram: SandboxServer, ada: Visitor
) -> None:
    user, payment_id = paid(service, telegram)
    action = f"/console/payments/{payment_id}/refund"
    fields = {**ada.fields(f"/console/payments/{payment_id}", action), "reason": "asked for it"}
    cookies = dict(ada.cookies)

    def send(_: int) -> str:
        with httpx.Client(base_url=service.url, cookies=cookies, timeout=30, verify=False) as tab:
            answer = tab.post(action, data=fields, headers=ada.origin)
            assert answer.status_code == 303
            return said_by(tab.get(answer.headers["location"]).text)

    with ThreadPoolExecutor(4) as threads:
        told = set(threads.map(send, range(4)))
    assert len(told) == 1
    assert "1,250 ⭐" in told.pop()
    [order] = refunds_asked(service, payment_id)
    assert (order["asked_by"], order["reason"]) == ("console:ada", "asked for it")
    eventually(lambda: payments_of(service, user)[0]["status"] == "refunded")
    assert len(rows(service, "SELECT * FROM refunds WHERE charge_id = ?", order["charge_id"])) == 1


@pytest.mark.threat(47)
def test_no_body_that_is_compressed_is_unpacked_by_anybody(service: Service, ada: Visitor) -> None:
    packed = gzip.compress(b"0" * 1_000_000)
    encoded = {"Content-Encoding": "gzip"}
    form = {**ada.origin, **encoded, "Content-Type": "application/x-www-form-urlencoded"}
    signed = {**encoded, "X-Telegram-Bot-Api-Secret-Token": WEBHOOK_SECRET, "Content-Type": "application/json"}
    token = {**encoded, "Authorization": f"Bearer {service.token(420_001)}", "Content-Type": "application/json"}
    for address, headers in (
        ("/console/login", form),
        ("/console/users/420001/grant", form),
        (urlsplit(service.webhook).path, signed),
        ("/api/v1/telegram/payment/send-invoice", token),
    ):
        assert ada.post(address, content=packed, headers=headers).status_code == 415, address


@pytest.mark.threat(35)
def test_what_programs_may_read_without_a_name_says_nothing_of_anybody(
    service: Service, telegram: SandboxServer
) -> None:
    _, payment_id = paid(service, telegram, "Zoe Unmistakable")
    for address in ("/metrics", "/schema", "/schema/openapi.json", "/health/ready"):
        said = LOOPBACK.get(f"{service.url}{address}").text
        assert not {word for word in (payment_id, "Zoe", "console:ada", "user_id=") if word in said}, address


@pytest.mark.threat(18)
def test_what_users_call_themselves_is_text_at_the_console(
    service: Service, telegram: SandboxServer, ada: Visitor
) -> None:
    nasty = "<img src=x onerror=alert(1)>\"'&{{7*7}}\u202egnp\u200b"
    user, payment_id = paid(service, telegram, nasty[:60])
    eventually(lambda: rows(service, "SELECT name FROM people WHERE user_id = ?", user))
    pages = (f"users/{user}", f"payments/{payment_id}", "payments", "search?q=img")
    for path in (f"/console/{page}" for page in pages):
        answer = ada.get(path, follow_redirects=True)
        assert answer.status_code == 200
        assert "<img" not in answer.text
        assert ">49<" not in answer.text.replace("{{7*7}}", "")
        assert re.search(r"<bdi[^>]*>&lt;img src=x onerror=alert\(1\)&gt;", answer.text), path
    typed = ada.get("/console/search", params={"q": '"><script>alert(1)</script>'}).text
    assert "<script>alert" not in typed


def test_who_guesses_is_made_to_wait_and_the_owner_of_the_name_elsewhere_is_not(service: Service) -> None:
    with Visitor(service) as guesser:
        answers = [guesser.sign_in("mallory", f"guess {number}") for number in range(5)]
        assert [answer.status_code for answer in answers] == [401] * 5
        assert {"The name or the password is wrong." in answer.text for answer in answers} == {True}
        late = guesser.sign_in("mallory", PASSWORD)
        assert (late.status_code, late.headers["Retry-After"]) == (429, "900")
        assert guesser.sign_in("ada").status_code == 303, "another name is not kept out"
    told = [line["event"] for line in service.log_lines() if line["event"].startswith("console.")]
    assert {"console.refused", "console.throttled", "console.signed_in"} <= set(told)
    assert PASSWORD not in service.log_text()
    assert "guess 1" not in service.log_text()


@pytest.mark.parametrize(
    ("column", "ago", "stays"),
    [
        pytest.param("seen_at", IDLE - timedelta(minutes=5), True, id="not long ago"),
        pytest.param("seen_at", IDLE, False, id="not used for an hour"),
        pytest.param("created_at", ABSOLUTE, False, id="twelve hours old"),
    ],
)
def test_a_session_ends_by_itself(service: Service, column: str, ago: timedelta, stays: bool) -> None:
    with Visitor(service, "ada") as browser:
        browser.page("/console/plans")
        then = (datetime.now(UTC) - ago).isoformat(sep=" ", timespec="microseconds")
        newest = "SELECT id FROM console_sessions ORDER BY created_at DESC LIMIT 1"
        rows(service, f"UPDATE console_sessions SET {column} = ? WHERE id = ({newest})", then)
        assert browser.get("/console/plans").status_code == (200 if stays else 303)


def test_who_has_signed_out_is_out_also_with_the_cookie_that_was_kept(service: Service) -> None:
    with Visitor(service, "ada") as browser:
        kept = dict(browser.cookies)
        out = browser.send_form("/console/logout", browser.fields("/console", "/console/logout"))
        assert (out.status_code, out.headers["location"]) == (303, "/console/login")
        with httpx.Client(base_url=service.url, cookies=kept, verify=False) as thief:
            assert thief.get("/console").status_code == 303


def test_another_process_on_the_same_database_knows_who_is_signed_in_and_who_is_not_any_more(
    service: Service, telegram: SandboxServer
) -> None:
    with Service(service.folder, telegram.url, STAFF) as other, Visitor(service, "ada") as browser:
        elsewhere: dict[str, Any] = {
            "url": f"{other.url}/console/plans",
            "cookies": dict(browser.cookies),
            "verify": False,
        }
        assert httpx.get(**elsewhere).status_code == 200
        browser.send_form("/console/logout", browser.fields("/console", "/console/logout"))
        assert httpx.get(**elsewhere).status_code == 303


def test_the_page_that_was_wanted_follows_and_no_other_site(service: Service) -> None:
    with Visitor(service) as browser:
        asked = browser.get("/console/plans?span=7d")
        assert asked.headers["location"] == "/console/login?next=/console/plans%3Fspan%3D7d"
        assert "You are signed out" in browser.page(asked.headers["location"])
        assert browser.sign_in("ada", next="//evil.example").headers["location"] == "/console"
        assert browser.get("/console/login?next=/console/plans").headers["location"] == "/console/plans"


def test_cookies_are_for_this_host_alone_and_for_no_script(
    service: Service, telegram: SandboxServer, tmp_path: Path
) -> None:
    with Visitor(service) as browser:
        [plain, _] = browser.sign_in("ada").headers.get_list("set-cookie")
    assert {"HttpOnly", "Path=/", "SameSite=lax"} <= set(plain.split("; "))
    secured = {**STAFF, "PUBLIC_URL": "https://pay.example"}
    with Service(tmp_path, telegram.url, secured) as behind_tls, Visitor(behind_tls) as browser:
        browser.origin = {"Origin": "https://pay.example"}
        guest = browser.get("/console/login")
        cookie = guest.headers["set-cookie"]
        assert cookie.startswith("__Host-tollgram-guest=")
        assert {"Secure", "HttpOnly", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
        assert "Domain" not in cookie
        name, _, value = cookie.partition(";")[0].partition("=")
        token = re.search(r'name="token" value="([^"]*)"', guest.text)
        assert token
        filled = {"token": token[1], "name": "ada", "password": PASSWORD}
        browser.cookies.clear()
        answer = behind_tls_sign_in(browser, filled, f"{name}={value}")
        assert answer.headers.get_list("set-cookie")[0].startswith("__Host-tollgram=")


def behind_tls_sign_in(browser: Visitor, filled: dict[str, str], cookie: str) -> httpx.Response:
    """The client keeps no secure cookie of an http address, so it is told which to send."""
    answer = browser.post("/console/login", data=filled, headers={**browser.origin, "Cookie": cookie})
    assert answer.status_code == 303, answer.text
    return answer
