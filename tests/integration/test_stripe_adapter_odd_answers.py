"""Stripe may refuse, hang, drip, lie or break off: nothing is half done, nobody waits for long, and no key shows."""

import gzip
import json
import logging
import socket
import struct
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from adapters.stripe.checkout import StripeCheckout
from adapters.stripe.limits import MAX_ANSWER_BYTES
from application.ports.checkout import StripeEvent
from domain.catalog import Method
from domain.errors import ProviderUnavailable
from tests.builders import ALICE, invoice, offer, payload, pence

KEY = "sk_test_canary_key_of_the_tests_000000"
OFFERED = invoice(method=Method.STRIPE, offer=offer(currency="GBP"))
CUSTOMER: dict[str, Any] = {"id": "cus_1", "object": "customer"}
PAGE: dict[str, Any] = {
    "id": "cs_1",
    "object": "checkout.session",
    "url": "https://checkout.stripe.com/c/pay/cs_1",
    "amount_total": 2500,
    "currency": "gbp",
}
RESET = b"reset"
WHOLE_CALL_S = 1.8


@dataclass(frozen=True, slots=True)
class Answer:
    """`pieces`, a pause before each; the piece RESET breaks the connection."""

    pieces: list[bytes]
    pause_s: float = 0.0


def answer(status: int, body: Any, *headers: str, pause_s: float = 0.0) -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [
        f"HTTP/1.1 {status} X",
        f"Content-Length: {len(content)}",
        "Request-Id: req_1",
        "Connection: close",
        *headers,
    ]
    return Answer(["\r\n".join(lines).encode() + b"\r\n\r\n" + content], pause_s)


def error(status: int, *headers: str, **fields: Any) -> Answer:
    return answer(status, {"error": {"type": "api_error", "message": f"No {KEY} here"} | fields}, *headers)


@dataclass
class OddStripe:
    """Gives its `answers` one after the other, the last again and again; keeps what it was asked."""

    answers: list[Answer] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Each path, and its Idempotency-Key."""

    def __post_init__(self) -> None:
        odd = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: Any) -> None:
                pass

            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                odd.asked.append((self.path, self.headers.get("idempotency-key", "")))
                self.close_connection = True
                odd.give(self.connection)

            def do_POST(self) -> None:
                self.do_GET()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def give(self, connection: socket.socket) -> None:
        given = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        try:
            for piece in given.pieces:
                time.sleep(given.pause_s)
                if piece == RESET:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    connection.close()
                    return
                connection.sendall(piece)
        except OSError:
            return

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def odd() -> Iterator[OddStripe]:
    odd = OddStripe()
    yield odd
    odd.close()


@pytest.fixture
def checkout(odd: OddStripe) -> Iterator[StripeCheckout]:
    checkout = checkout_at(odd.url)
    yield checkout
    checkout.close()


def checkout_at(url: str, **different: Any) -> StripeCheckout:
    described: dict[str, Any] = {"whole_call_s": WHOLE_CALL_S, "success_url": "https://a", "cancel_url": "https://b"}
    return StripeCheckout(KEY, url, price_map={}, **described | different)


def bell(type_: str = "charge.refunded") -> StripeEvent:
    return StripeEvent(id="evt_1", type=type_, live=False, object_id="ch_1", body=b"")


CALLS: dict[str, Callable[[StripeCheckout], object]] = {
    "a customer": lambda checkout: checkout.create_customer(ALICE),
    "a page": lambda checkout: checkout.open(OFFERED, payload(OFFERED), "cus_1"),
    "closing a page": lambda checkout: checkout.expire("cs_1"),
    "a portal": lambda checkout: checkout.portal("cus_1", "https://a"),
    "a session": lambda checkout: checkout.snapshot(bell("checkout.session.completed")),
    "a charge": lambda checkout: checkout.snapshot(bell("charge.refunded")),
    "a refund": lambda checkout: checkout.snapshot(bell("refund.updated")),
    "a dispute": lambda checkout: checkout.snapshot(bell("charge.dispute.closed")),
    "a payment": lambda checkout: checkout.snapshot(bell("payment_intent.succeeded")),
}

ODD: dict[str, Answer] = {
    "401 that quotes the key": error(401, type="invalid_request_error", message=f"Invalid API Key: {KEY}"),
    "402": error(402, type="card_error", code="card_declined"),
    "403": error(403, type="invalid_request_error"),
    "409 that stays": error(409, code="idempotency_key_in_use"),
    "429": error(429, code="rate_limit"),
    "500": error(500),
    "502 in HTML": answer(502, b"<h1>Bad gateway</h1>"),
    "503 with nothing": answer(503, b""),
    "400 without an error": answer(400, {"no": "error"}),
    "400 whose error is a word": answer(400, {"error": KEY}),
    "400 whose error is a list": answer(400, {"error": [KEY]}),
    "400 that is a list": answer(400, [KEY]),
    "a code that is no word": error(400, code={"a": [1]}, param=7),
    "a redirect": answer(302, b"", "Location: https://elsewhere.example/"),
    "not JSON": answer(200, b"it works"),
    "not UTF-8": answer(200, b"\xff\xfe"),
    "nothing": answer(200, b""),
    "null": answer(200, None),
    "a number": answer(200, 5),
    "a word": answer(200, "cs_1"),
    "a list": answer(200, [PAGE]),
    "an empty object": answer(200, {}),
    "another object": answer(200, {"object": "balance", "available": []}),
    "fields of other kinds": answer(
        200, {"id": 5, "url": 7, "payment_intent": [], "metadata": 1, "object": "checkout.session", "amount_total": "x"}
    ),
    "a kind that is no word": answer(200, {"object": {"a": 1}, "id": None}),
    "nested too deep": answer(200, b'{"id":' + b"[" * 20_000 + b"]" * 20_000 + b"}"),
    "no HTTP": Answer([b"SSH-2.0-OpenSSH_9.6\r\n"]),
    "less than announced": Answer([b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"]),
    "more than we take": answer(200, b" " * (MAX_ANSWER_BYTES + 1)),
    "compressed": answer(200, gzip.compress(json.dumps(PAGE).encode()), "Content-Encoding: gzip"),
    "a reset": Answer([RESET]),
    "a reset in the middle": Answer([b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{", RESET]),
}


@pytest.mark.parametrize("odd_answer", ODD.values(), ids=ODD)
def test_whatever_is_answered_is_told_in_words_without_the_key(
    odd: OddStripe, checkout: StripeCheckout, odd_answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    for logger in ("", "stripe", "httpx", "httpcore"):  # as if an operator had set them
        caplog.set_level(logging.DEBUG, logger)
    odd.answers = [odd_answer]
    for call in CALLS.values():
        began = time.monotonic()
        with pytest.raises(ProviderUnavailable) as problem:
            call(checkout)
        assert time.monotonic() - began < 2 * WHOLE_CALL_S + 1
        told = "".join(traceback.format_exception(problem.value)) + caplog.text + repr(checkout)
        assert "Stripe" in str(problem.value)
        assert len(str(problem.value)) < 300
        assert "canary" not in told
    # What httpcore's own children write of the connection names neither addresses nor keys.
    assert [record.name for record in caplog.records if not record.name.startswith("httpcore.")] == []


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(
    "slow",
    [
        pytest.param(answer(200, PAGE, pause_s=30), id="no answer"),
        pytest.param(
            Answer([b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", *[b" "] * 400], 0.1), id="byte by byte"
        ),
    ],
)
def test_nobody_waits_longer_than_the_whole_call_may_take(odd: OddStripe, slow: Answer, call: Any) -> None:
    checkout = checkout_at(odd.url, whole_call_s=0.4)
    odd.answers = [slow]
    began = time.monotonic()
    with pytest.raises(ProviderUnavailable, match="did not answer in time"):
        call(checkout)
    assert time.monotonic() - began < 2


def test_by_default_a_slow_stripe_is_given_up_well_within_ten_seconds(odd: OddStripe) -> None:
    checkout = StripeCheckout(KEY, odd.url, price_map={}, success_url="https://a", cancel_url="https://b")
    odd.answers = [answer(200, CUSTOMER, pause_s=3), answer(200, PAGE, pause_s=30)]
    began = time.monotonic()
    with pytest.raises(ProviderUnavailable):
        checkout.open(OFFERED, payload(OFFERED), checkout.create_customer(ALICE))
    assert time.monotonic() - began < 8


def test_nobody_there_is_told_at_once() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        checkout = checkout_at(f"http://127.0.0.1:{probe.getsockname()[1]}")
        began = time.monotonic()
        with pytest.raises(ProviderUnavailable, match="ConnectError"):
            checkout.create_customer(ALICE)
    assert time.monotonic() - began < 2


# Once more, where it may help


@pytest.mark.parametrize(
    "hiccup",
    [
        pytest.param(Answer([RESET]), id="a reset"),
        pytest.param(error(500), id="500"),
        pytest.param(error(409), id="the key in use"),
        pytest.param(error(429, "Stripe-Should-Retry: true"), id="429, where Stripe says so"),
    ],
)
def test_a_hiccup_is_tried_once_more_with_the_same_key(
    odd: OddStripe, checkout: StripeCheckout, hiccup: Answer
) -> None:
    odd.answers = [hiccup, answer(200, CUSTOMER)]
    assert checkout.create_customer(ALICE) == "cus_1"
    assert odd.asked == [("/v1/customers", f"customer-{ALICE}-1")] * 2


@pytest.mark.parametrize(
    "final",
    [
        pytest.param(error(400), id="400"),
        pytest.param(error(429), id="429"),
        pytest.param(error(500, "Stripe-Should-Retry: false"), id="500, where Stripe says so"),
        pytest.param(answer(500, {}, pause_s=WHOLE_CALL_S - 0.8), id="500, with no time left"),
    ],
)
def test_where_it_can_not_help_it_is_not(odd: OddStripe, checkout: StripeCheckout, final: Answer) -> None:
    odd.answers = [final]
    with pytest.raises(ProviderUnavailable):
        checkout.create_customer(ALICE)
    assert len(odd.asked) == 1


def test_a_failure_that_stripe_only_remembers_does_not_keep_a_user_from_buying(
    odd: OddStripe, checkout: StripeCheckout
) -> None:
    remembered = error(500, "Idempotent-Replayed: true")
    odd.answers = [remembered, remembered, answer(200, CUSTOMER)]
    assert checkout.create_customer(ALICE) == "cus_1"
    assert [key for _, key in odd.asked] == [f"customer-{ALICE}-{number}" for number in (1, 2, 3)]
    odd.answers, odd.asked = [remembered], []
    with pytest.raises(ProviderUnavailable, match="in trouble"):
        checkout.open(OFFERED, payload(OFFERED), "cus_1")
    assert [key for _, key in odd.asked] == [f"checkout-{OFFERED.id}-{number}" for number in (1, 2, 3)]


def test_what_stripe_has_never_heard_of_is_told_where_it_was_to_be_made(
    odd: OddStripe, checkout: StripeCheckout
) -> None:
    odd.answers = [error(404, code="resource_missing", param="account")]
    for call in (CALLS["a customer"], CALLS["a page"], CALLS["a portal"]):
        with pytest.raises(ProviderUnavailable, match="does not know the account"):
            call(checkout)


# A page that nobody should be sent to


@pytest.mark.parametrize("url", [None, "", "javascript:alert(1)", "checkout.stripe.com", 5], ids=str)
def test_a_page_without_a_real_address_is_none(odd: OddStripe, checkout: StripeCheckout, url: Any) -> None:
    odd.answers = [answer(200, PAGE | {"url": url})]
    for call in (CALLS["a page"], CALLS["a portal"]):
        with pytest.raises(ProviderUnavailable):
            call(checkout)


@pytest.mark.parametrize(
    "asks",
    [{"amount_total": 0}, {"amount_total": -5}, {"currency": "xaf"}, {"currency": "isk", "amount_total": 550}],
    ids=str,
)
def test_a_page_that_asks_for_no_money_of_ours_is_closed(
    odd: OddStripe, checkout: StripeCheckout, asks: dict[str, Any]
) -> None:
    odd.answers = [answer(200, PAGE | asks)]
    with pytest.raises(ProviderUnavailable, match="can't count"):
        CALLS["a page"](checkout)
    assert [path for path, _ in odd.asked] == ["/v1/checkout/sessions", "/v1/checkout/sessions/cs_1/expire"]


def test_a_page_that_can_not_be_closed_and_is_open_is_told(odd: OddStripe, checkout: StripeCheckout) -> None:
    refused = error(400, type="invalid_request_error")
    session = {"object": "checkout.session", "id": "cs_1", "livemode": False, "payment_intent": None}
    odd.answers = [refused, answer(200, session | {"status": "complete"})]
    checkout.expire("cs_1")
    odd.answers = [refused, answer(200, session | {"status": "open"})]
    with pytest.raises(ProviderUnavailable, match="refused"):
        checkout.expire("cs_1")


def test_fields_that_we_have_never_heard_of_do_no_harm(odd: OddStripe, checkout: StripeCheckout) -> None:
    odd.answers = [answer(200, PAGE | {"new": {"object": "unheard.of", "of": [1, None, {"object": "list"}]}})]
    page = checkout.open(OFFERED, payload(OFFERED), "cus_1")
    assert (page.id, page.price) == ("cs_1", pence(2500))
