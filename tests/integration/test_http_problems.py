"""Every error over HTTP is problem+json with a stable code; a body with mistakes is told all of them, by place."""

import gzip
import json
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPResponse

import httpx
import pytest

import entrypoints.http.webhook  # noqa: F401 so that every refusal there is, is known
from domain.errors import Refusal
from entrypoints.http.connection import LONGEST_HEAD
from entrypoints.http.problems import STATUS
from tests.integration.buying import SEND_INVOICE, buy, newcomer, rows
from tests.integration.sandbox_server import Json, SandboxServer
from tests.integration.service import LOOPBACK, WEBHOOK_SECRET, Service

MIB = 1 << 20
MOST_BYTES = 64 << 10
CODES = {
    "invalid_request": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "already_entitled": 409,
    "conflict": 409,
    "too_large": 413,
    "unsupported_media_type": 415,
    "idempotency_mismatch": 422,
    "unknown_plan": 422,
    "method_unavailable": 422,
    "rate_limited": 429,
    "provider_unavailable": 502,
    "unavailable": 503,
}


def every_kind_of(kind: type[Refusal]) -> Iterator[type[Refusal]]:
    for special in kind.__subclasses__():
        yield special
        yield from every_kind_of(special)


def test_every_refusal_has_its_status(subtests: pytest.Subtests) -> None:
    kinds = list(every_kind_of(Refusal))

    assert {kind.code for kind in kinds} >= CODES.keys() - {"method_not_allowed", "idempotency_mismatch"}
    for kind in kinds:
        with subtests.test(kind=kind.__name__):
            assert STATUS[kind.code] == CODES[kind.code]


def assert_problem(answer: httpx.Response, code: str) -> Json:
    """It is one, and whole; gives what it says."""
    problem: Json = answer.json()
    assert (answer.status_code, problem["code"]) == (CODES[code], code), answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-Request-Id"]
    assert (problem["type"], problem["status"]) == ("about:blank", CODES[code])
    assert problem["title"]
    assert problem["detail"]
    assert ("WWW-Authenticate" in answer.headers) == (answer.status_code == 401)
    assert ("Retry-After" in answer.headers) == (answer.status_code == 429)
    return problem


@pytest.fixture(scope="module")
def ada(telegram: SandboxServer, service: Service) -> int:
    """Holds the plan for life, and never gets to begin a purchase in these tests."""
    ada = newcomer(telegram)
    buy(service, telegram, ada, "founder")
    return ada


@pytest.mark.parametrize(
    "address", ["/", "/nothing", "/api/v1", "/api/v1/catalog/1", "/internal/v1/users", "/schema/x"]
)
def test_an_unknown_address_is_not_found(service: Service, address: str) -> None:
    assert_problem(LOOPBACK.get(service.url + address), "not_found")


@pytest.mark.parametrize(
    ("method", "address", "allowed"),
    [
        ("POST", "/api/v1/catalog", {"GET", "OPTIONS"}),
        ("GET", SEND_INVOICE, {"POST", "OPTIONS"}),
        ("DELETE", "/api/v1/me/payments", {"GET", "OPTIONS"}),
        ("PUT", "/internal/v1/users/7/features/signals", {"GET", "OPTIONS"}),
        ("GET", "/api/v1/telegram/main/webhook", {"POST", "OPTIONS"}),
        ("TRACE", "/health/live", {"GET", "OPTIONS"}),
        ("PUT", "/internal/v1/users/7/entitlements", {"GET", "OPTIONS", "POST"}),
    ],
)
def test_a_wrong_method_is_told_which_are_right(service: Service, method: str, address: str, allowed: set[str]) -> None:
    answer = LOOPBACK.request(method, service.url + address)

    assert_problem(answer, "method_not_allowed")
    assert set(answer.headers["Allow"].split(", ")) == allowed
    asked = LOOPBACK.options(service.url + address)
    assert (asked.status_code, set(asked.headers["Allow"].split(", ")), asked.text) == (204, allowed, "")


def test_the_codes_of_a_purchase(service: Service, telegram: SandboxServer, ada: int) -> None:
    with service.as_user(ada) as client:
        assert_problem(client.post(SEND_INVOICE, json={"plan_code": "platinum"}), "unknown_plan")
        assert_problem(client.post(SEND_INVOICE, json={"plan_code": "founder"}), "already_entitled")
        unpriced = client.post(SEND_INVOICE, json={"plan_code": "day_pass", "method": "telegram"})
        assert_problem(unpriced, "method_unavailable")
    assert_problem(LOOPBACK.post(service.url + SEND_INVOICE, json={"plan_code": "gold_1m"}), "unauthenticated")


def test_the_code_of_haste_comes_with_the_seconds_to_wait(service: Service, telegram: SandboxServer) -> None:
    with service.as_user(newcomer(telegram)) as client:
        for _ in range(5):
            client.post(SEND_INVOICE, json={"plan_code": "gold_1m"})
        refused = client.post(SEND_INVOICE, json={"plan_code": "gold_1m"})

    assert_problem(refused, "rate_limited")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60


def test_the_codes_of_a_telegram_that_does_not_do_its_part(service: Service, telegram: SandboxServer) -> None:
    stranger = int(telegram.create_user("Stranger")["id"])
    with service.as_user(stranger) as client:
        assert_problem(client.post(SEND_INVOICE, json={"plan_code": "gold_1m"}), "conflict")
        telegram.faults(down=True)
        try:
            for address in (SEND_INVOICE, "/api/v1/telegram/payment/invoice-link"):
                assert_problem(client.post(address, json={"plan_code": "gold_1m"}), "provider_unavailable")
        finally:
            telegram.faults()


def test_a_fault_of_ours_is_unavailable_and_says_nothing_of_itself(service: Service, ada: int) -> None:
    rows(service, "ALTER TABLE entitlements RENAME TO hidden")
    try:
        with service.as_user(ada) as client, service.as_service() as other:
            answers = [
                client.get("/api/v1/me/entitlements"),
                client.post(SEND_INVOICE, json={"plan_code": "gold_1m"}),
                other.get(f"/internal/v1/users/{ada}/features/signals"),
            ]
    finally:
        rows(service, "ALTER TABLE hidden RENAME TO entitlements")

    for answer in answers:
        assert_problem(answer, "unavailable")
        assert "table" not in answer.text


def test_a_scope_that_is_not_there_is_forbidden(service: Service) -> None:
    for scopes in ((), ("entitlements:write",), ("entitlements",), ("entitlements:read:all",)):
        token = service.token("some-service", *scopes)
        for address in ("/internal/v1/users/7/entitlements", "/internal/v1/users/7/features/signals"):
            answer = LOOPBACK.get(service.url + address, headers={"Authorization": f"Bearer {token}"})
            assert "entitlements:read" in assert_problem(answer, "forbidden")["detail"]


@pytest.mark.parametrize(
    "user_id", ["0", "-1", "007", "1.5", "abc", "4503599627370496", "1" * 400, "%F0%9F%92%8E", "1%00"]
)
def test_a_user_that_can_not_be_is_an_invalid_request(service: Service, user_id: str) -> None:
    with service.as_service() as client:
        assert_problem(client.get(f"/internal/v1/users/{user_id}/entitlements"), "invalid_request")


def test_an_unknown_bot_is_not_found(service: Service) -> None:
    address = f"{service.url}/api/v1/telegram/nobody/webhook"
    assert_problem(
        LOOPBACK.post(address, json={}, headers={"X-Telegram-Bot-Api-Secret-Token": WEBHOOK_SECRET}), "not_found"
    )


@pytest.mark.parametrize(
    ("body", "mistakes"),
    [
        pytest.param({}, {"/plan_code"}, id="nothing in it"),
        pytest.param({"plan_code": 2}, {"/plan_code"}, id="a number for a text"),
        pytest.param({"plan_code": None}, {"/plan_code"}, id="null"),
        pytest.param({"plan_code": ["gold_1m"]}, {"/plan_code"}, id="a list"),
        pytest.param({"plan_code": "Gold!"}, {"/plan_code"}, id="letters that no code has"),
        pytest.param({"plan_code": "g" * 41}, {"/plan_code"}, id="too long"),
        pytest.param({"plan_code": "gold_1m\n"}, {"/plan_code"}, id="a line break at the end"),
        pytest.param({"plan_code": "gold_1m", "method": "cash"}, {"/method"}, id="a method that there is not"),
        pytest.param({"plan_code": "gold_1m", "method": True}, {"/method"}, id="true"),
        pytest.param({"plan_code": "gold_1m", "amount": 1}, {"/amount"}, id="a field that there is not"),
        pytest.param({"plan_code": "gold_1m", "Plan_Code": "x"}, {"/Plan_Code"}, id="a field in other letters"),
        pytest.param({"plan_code": "gold_1m", "\ud800": 1}, {"/\\ud800"}, id="a field that no text can name"),
        pytest.param(
            {"plan_code": 1, "method": "cash", "bot": "", "price": 1, "user_id": 7},
            {"/plan_code", "/method", "/bot", "/price", "/user_id"},
            id="five mistakes at once",
        ),
    ],
)
def test_a_body_is_told_all_its_mistakes_each_with_its_place(
    service: Service, ada: int, body: Json, mistakes: set[str]
) -> None:
    with service.as_user(ada) as client:
        answer = client.post(SEND_INVOICE, content=json.dumps(body), headers={"Content-Type": "application/json"})
        problem = assert_problem(answer, "invalid_request")

    assert {error["pointer"] for error in problem["errors"]} == mistakes
    assert all(error["detail"] for error in problem["errors"])


@pytest.mark.parametrize(
    ("text", "pointer"),
    [
        pytest.param(b"", "", id="empty"),
        pytest.param(b"plan_code=gold_1m", "", id="a form"),
        pytest.param(b'{"plan_code": "gold_1m"', "", id="cut off"),
        pytest.param(b'{"plan_code": "gold_1m"} {}', "", id="two of them"),
        pytest.param(b'["gold_1m"]', "", id="a list"),
        pytest.param(b'"gold_1m"', "", id="a text"),
        pytest.param(b"null", "", id="null"),
        pytest.param(b'{"plan_code": NaN}', "", id="NaN"),
        pytest.param(b"\xff\xfe{}", "", id="not UTF-8"),
        pytest.param('{"plan_code": "founder"}'.encode("utf-16"), "", id="UTF-16"),
        pytest.param(b"[" * 60_000, "", id="60 000 deep"),
        pytest.param(b'{"plan_code": "gold_1m", "plan_code": "founder"}', "/plan_code", id="a doubled key"),
    ],
)
def test_what_is_no_json_object_is_an_invalid_request(service: Service, ada: int, text: bytes, pointer: str) -> None:
    with service.as_user(ada) as client:
        answer = client.post(SEND_INVOICE, content=text, headers={"Content-Type": "application/json"})

    assert [error["pointer"] for error in assert_problem(answer, "invalid_request")["errors"]] == [pointer]


@pytest.mark.parametrize("media_type", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonp"])
def test_a_body_that_is_not_called_json_is_not_taken(service: Service, ada: int, media_type: str | None) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    with service.as_user(ada) as client:
        answer = client.post(SEND_INVOICE, content=b'{"plan_code": "founder"}', headers=headers)

    assert_problem(answer, "unsupported_media_type")


@pytest.mark.parametrize("media_type", ["application/json; charset=utf-8", "Application/JSON", "application/json;"])
def test_json_may_be_called_so_in_any_way(service: Service, ada: int, media_type: str) -> None:
    with service.as_user(ada) as client:
        headers = {"Content-Type": media_type}
        answer = client.post(SEND_INVOICE, content=b'{"plan_code": "founder"}', headers=headers)

    assert_problem(answer, "already_entitled")


def test_a_compressed_body_is_not_taken(service: Service, ada: int) -> None:
    body = gzip.compress(b'{"plan_code": "founder"}')
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    with service.as_user(ada) as client:
        assert_problem(client.post(SEND_INVOICE, content=body, headers=headers), "unsupported_media_type")
    headers["X-Telegram-Bot-Api-Secret-Token"] = WEBHOOK_SECRET
    assert_problem(LOOPBACK.post(service.webhook, content=body, headers=headers), "unsupported_media_type")


def test_a_body_may_be_64_kibibytes_and_no_more(service: Service, ada: int) -> None:
    def in_pieces() -> Iterator[bytes]:
        for _ in range(40):
            yield b" " * (16 << 10)

    whole = b'{"plan_code": "founder"}'.ljust(MOST_BYTES)
    with service.as_user(ada) as client:
        headers = {"Content-Type": "application/json"}
        assert_problem(client.post(SEND_INVOICE, content=whole, headers=headers), "already_entitled")
        assert_problem(client.post(SEND_INVOICE, content=whole + b" ", headers=headers), "too_large")
        assert_problem(client.post(SEND_INVOICE, content=in_pieces(), headers=headers), "too_large")


def test_every_answer_bears_a_request_id_and_a_callers_own_is_kept_where_it_is_harmless(service: Service) -> None:
    address = f"{service.url}/health/live"
    first, second = (LOOPBACK.get(address).headers["X-Request-Id"] for _ in range(2))
    assert first != second

    for given, kept in (
        ("abc-1._", True),
        ("a" * 64, True),
        ("a" * 65, False),
        ("a b", False),
        ('a"', False),
        ("", False),
    ):
        answered = LOOPBACK.get(address, headers={"X-Request-Id": given}).headers.get_list("X-Request-Id")
        assert (answered == [given]) is kept, given
        assert len(answered) == 1


@pytest.mark.parametrize(
    "request_text",
    [
        pytest.param(
            "POST /api/v1/telegram/webhook HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6", id="two lengths"
        ),
        pytest.param("POST /api/v1/telegram/webhook HTTP/1.1\r\nContent-Length: abc", id="a length in letters"),
        pytest.param("POST /api/v1/telegram/webhook HTTP/1.1\r\nContent-Length: -1", id="less than nothing"),
        pytest.param(
            "POST /api/v1/telegram/webhook HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
            id="a length, and pieces",
        ),
        pytest.param("FETCH /health/live HTTP/1.1", id="a method that nobody knows"),
        pytest.param("GET /health/live HTTP/9.9", id="another version"),
        pytest.param("GET /health live HTTP/1.1", id="a space in the address"),
        pytest.param("GET /health/live HTTP/1.1\r\nHeader", id="half a header"),
        pytest.param("\x16\x03\x01\x02", id="TLS"),
    ],
)
def test_what_is_no_http_is_an_invalid_request_too(service: Service, request_text: str) -> None:
    answer = answered_and_closed(service, f"{request_text}\r\nHost: x\r\n\r\n12345".encode("latin-1"))

    assert_problem(answer, "invalid_request")


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"X: " + b"x" * LONGEST_HEAD + b"\r\n\r\n", id="one long header"),
        pytest.param(b"X: yyyyy\r\n" * (LONGEST_HEAD // 6) + b"\r\n", id="many short ones"),
        pytest.param(b"X: " + b"x" * LONGEST_HEAD, id="one without end"),
    ],
)
def test_a_head_that_is_longer_than_anybody_needs_is_too_large(service: Service, head: bytes) -> None:
    answer = answered_and_closed(service, b"GET /health/live HTTP/1.1\r\nHost: x\r\n" + head)

    assert_problem(answer, "too_large")


def test_an_address_without_end_is_too_large(service: Service) -> None:
    assert_problem(answered_and_closed(service, b"GET /" + b"x" * LONGEST_HEAD), "too_large")


def test_a_long_head_is_read_also_before_a_long_body(service: Service) -> None:
    answer = LOOPBACK.post(service.webhook, headers={"X": "x" * (LONGEST_HEAD - 1000)}, content=b"x" * 500_000)

    assert_problem(answer, "unauthenticated")


def test_headers_without_end_behind_a_body_are_not_collected(service: Service) -> None:
    request = b"POST /nothing HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"

    with closing(socket.create_connection(("127.0.0.1", service.port), timeout=10)) as line:
        line.sendall(request)
        with pytest.raises(ConnectionError):
            line.sendall(b"X: yyyyy\r\n" * 10_000_000)


def test_requests_that_come_many_at_once_are_no_long_head(service: Service) -> None:
    one, many = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n", 2 * LONGEST_HEAD // 40
    with closing(socket.create_connection(("127.0.0.1", service.port), timeout=10)) as line:
        line.sendall(one * many + one[:-2])
        line.sendall(one[-2:])
        answers = b""
        while answers.count(b"HTTP/1.1 200 OK") <= many:
            more = line.recv(1 << 16)
            assert more
            answers += more


def answered_and_closed(service: Service, request: bytes) -> httpx.Response:
    with closing(socket.create_connection(("127.0.0.1", service.port), timeout=10)) as line:
        line.sendall(request)
        with closing(HTTPResponse(line)) as came:
            came.begin()
            answer = httpx.Response(came.status, headers=came.getheaders(), content=came.read())
        assert line.recv(1) == b""
    assert answer.headers["Connection"] == "close"
    return answer


def test_a_webhook_that_can_not_commit_asks_telegram_to_send_it_again(
    service: Service, telegram: SandboxServer
) -> None:
    ada = newcomer(telegram)
    message = {
        "message_id": 5,
        "from": {"id": ada, "is_bot": False, "first_name": "Ada"},
        "chat": {"id": ada, "type": "private"},
        "date": 1_900_000_000,
        "text": "/help",
    }
    update = {"update_id": 77_000_001, "message": message}
    with closing(sqlite3.connect(service.folder / "tollgram.db", isolation_level=None)) as database:
        database.execute("ALTER TABLE outbox RENAME TO hidden")
        try:
            assert_problem(service.deliver(update), "unavailable")
        finally:
            database.execute("ALTER TABLE hidden RENAME TO outbox")

    answer = service.deliver(json.dumps(update).encode())
    assert (answer.status_code, answer.content) == (200, b"{}")
