"""What must not work around Stripe's page: being sent elsewhere, being let in unpaid, paying with play money."""

import secrets
from collections.abc import Iterator

import pytest

from tests.integration.buying import counted, entitlements_of, newcomer, payments_of, rows, settled
from tests.integration.sandbox_server import Json, SandboxServer
from tests.integration.service import LOOPBACK, Service, only
from tests.integration.stripe_buying import PORTAL, buy_by_stripe, page_for, stripe_settings, texts_to

FEATURES = ("signals", "copy_trading", "founders_room", "letters")


# 36 ----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def payer(stripe_service: Service, telegram: SandboxServer) -> int:
    """Somebody who has a page of their own at Stripe."""
    ada = newcomer(telegram)
    buy_by_stripe(stripe_service, telegram, ada)
    return ada


def came_back_to(telegram: SandboxServer) -> list[str]:
    return [call["arguments"].get("return_url", "") for call in telegram.stripe.calls("billing_portal.sessions.create")]


TRICKS = {
    "another host": "https://evil.example/",
    "another host, our port": "http://evil.example:{port}/",
    "no scheme": "//evil.example/",
    "no scheme, our host": "//127.0.0.1:{port}/",
    "a path alone": "/billing/done",
    "three slashes": "///evil.example/",
    "four slashes": "http:////evil.example/",
    "no slashes": "http:evil.example",
    "a user before another host": "http://127.0.0.1:{port}@evil.example/",
    "a user before our host": "http://evil.example@127.0.0.1:{port}/",
    "a user and a password": "http://a:b@127.0.0.1:{port}/",
    "an empty user": "http://@127.0.0.1:{port}/",
    "a backslash before the host": "http:\\\\evil.example/",
    "a backslash before @": "http://evil.example\\@127.0.0.1:{port}/",
    "our host, then a backslash": "http://127.0.0.1:{port}\\.evil.example/",
    "a backslash in the path": "http://127.0.0.1:{port}/\\evil.example",
    "javascript": "javascript:alert(1)",
    "javascript in capitals": "JaVaScRiPt:alert(1)",
    "javascript with our host": "javascript://127.0.0.1:{port}/%0aalert(1)",
    "data": "data:text/html,<script>alert(1)</script>",
    "another scheme": "https://127.0.0.1:{port}/",
    "a file": "file://127.0.0.1:{port}/etc/passwd",
    "another port": "http://127.0.0.1:1/",
    "no port": "http://127.0.0.1/",
    "a port that is none": "http://127.0.0.1:{port}0/",
    "a port in words": "http://127.0.0.1:http/",
    "our host as a beginning": "http://127.0.0.1:{port}.evil.example/",
    "our host as an end": "http://evil.example.127.0.0.1:{port}/",
    "another name of our host": "http://localhost:{port}/",
    "our host in one number": "http://2130706433:{port}/",
    "full-width digits": "http://\uff11\uff12\uff17.0.0.1:{port}/",
    "an ideographic full stop": "http://127。0。0。1:{port}/",
    "a soft hyphen": "http://127.0.0\u00ad.1:{port}/",
    "right to left": "http://127.0.0.1:{port}/\u202egro.live",
    "a line break": "http://127.0.0.1:{port}/\r\nLocation: https://evil.example/",
    "a line break in the scheme": "ht\ntp://evil.example/",
    "a tab in the scheme": "java\tscript:alert(1)",
    "a line break before it": "\nhttp://127.0.0.1:{port}/",
    "a blank before it": " http://127.0.0.1:{port}/",
    "a NUL": "http://127.0.0.1:{port}/\0",
    "nothing but blanks": "  ",
    "a bracket": "http://[::1/",
}


@pytest.mark.threat(36)
@pytest.mark.parametrize("trick", TRICKS.values(), ids=TRICKS.keys())
def test_nobody_is_sent_from_stripe_to_an_address_that_is_not_the_operator_s(
    stripe_service: Service, telegram: SandboxServer, payer: int, trick: str
) -> None:
    before = len(came_back_to(telegram))
    with stripe_service.as_user(payer) as client:
        refused = client.post(PORTAL, json={"return_url": trick.replace("{port}", str(stripe_service.port))})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request"), refused.text
    assert "evil" not in refused.text
    assert len(came_back_to(telegram)) == before  # Stripe never heard of it


@pytest.mark.threat(36)
@pytest.mark.parametrize(
    "own", ["{url}", "{url}/", "{url}/account?from=stripe", "{url}/billing/done#top", "HTTP://127.0.0.1:{port}/x"]
)
def test_the_operator_s_own_addresses_may_be_returned_to(
    stripe_service: Service, telegram: SandboxServer, payer: int, own: str
) -> None:
    address = own.format(url=stripe_service.url, port=stripe_service.port)
    with stripe_service.as_user(payer) as client:
        answer = client.post(PORTAL, json={"return_url": address})
    assert answer.status_code == 200, answer.text
    assert came_back_to(telegram)[-1] == address


@pytest.mark.threat(36)
@pytest.mark.parametrize("field", ["success_url", "cancel_url", "return_url"])
def test_the_page_to_pay_on_takes_no_address_from_anybody(
    stripe_service: Service, telegram: SandboxServer, field: str
) -> None:
    ada = newcomer(telegram)
    with stripe_service.as_user(ada) as client:
        answer = client.post("/api/v1/billing/checkout", json={"plan_code": "gold_1m", field: "https://evil.example/"})
    assert answer.status_code == 400
    assert "evil.example" not in str(telegram.stripe.calls("checkout.sessions.create"))


# 37 ----------------------------------------------------------------------------------------------------------------


@pytest.mark.threat(37)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "PUT"])
@pytest.mark.parametrize("place", ["success_url", "cancel_url"])
def test_coming_back_from_stripe_opens_nothing(
    stripe_service: Service, telegram: SandboxServer, place: str, method: str
) -> None:
    ada = newcomer(telegram)
    page = page_for(stripe_service, ada)
    address = telegram.stripe.session(page["session_id"])[place].replace("{CHECKOUT_SESSION_ID}", page["session_id"])
    told = {"session_id": page["session_id"], "payment_status": "paid", "invoice_id": page["invoice_id"]}
    with stripe_service.as_user(ada) as client:
        for came in [client.request(method, address, params=told) for _ in range(3)]:
            assert came.status_code in ((200,) if method == "GET" else (404, 405))
            assert page["session_id"] not in came.text
    settled(telegram)
    assert entitlements_of(stripe_service, ada) == payments_of(stripe_service, ada) == []
    assert not any(stripe_service.allowed(ada, feature) for feature in FEATURES)
    assert texts_to(telegram, ada) == []
    assert only(rows(stripe_service, "SELECT settled_by FROM invoices WHERE user_id = ?", ada))["settled_by"] is None


@pytest.mark.threat(37)
def test_only_the_payment_itself_opens_what_was_bought(stripe_service: Service, telegram: SandboxServer) -> None:
    """The same steps, but with the payment between: so that the test before can fail."""
    ada = newcomer(telegram)
    page = page_for(stripe_service, ada)
    assert telegram.stripe.decline(page["session_id"]).status == "declined"
    assert telegram.stripe.abandon(page["session_id"])
    settled(telegram)
    assert not stripe_service.allowed(ada, "signals")
    paid = telegram.stripe.pay(page["session_id"])
    settled(telegram)
    assert LOOPBACK.get(paid.redirect or "").status_code == 200
    assert stripe_service.allowed(ada, "signals")


@pytest.mark.threat(37)
@pytest.mark.parametrize("event_type", ["checkout.session.completed", "checkout.session.async_payment_succeeded"])
def test_an_event_that_says_paid_of_a_page_that_is_not_opens_nothing(
    stripe_service: Service, telegram: SandboxServer, event_type: str
) -> None:
    """Even signed with Stripe's secret: what Stripe's books say decides."""
    ada = newcomer(telegram)
    page = page_for(stripe_service, ada)
    said = telegram.stripe.session(page["session_id"]) | {"payment_status": "paid", "status": "complete"}
    (delivery,) = telegram.stripe.forge_event(event_type, said | {"payment_intent": "pi_" + secrets.token_hex(8)})
    assert delivery.status == 200
    assert entitlements_of(stripe_service, ada) == payments_of(stripe_service, ada) == []


# 44 ----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def live_service(telegram: SandboxServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service where money is real."""
    settings = stripe_settings(telegram.stripe, STRIPE_SECRET_KEY=telegram.stripe.live_key)
    with Service(tmp_path_factory.mktemp("live"), telegram.url, settings) as running:
        yield running


def everything(service: Service) -> list[list[Json]]:
    tables = ("payments", "entitlements", "outbox", "invoices")
    return [rows(service, f"SELECT * FROM {table} ORDER BY 1") for table in tables]


@pytest.mark.threat(44)
@pytest.mark.parametrize("real", [True, False], ids=["test money in live", "real money in test"])
def test_money_of_the_other_mode_touches_nothing(
    stripe_service: Service, live_service: Service, telegram: SandboxServer, real: bool
) -> None:
    """Everything that can happen to a payment is told to a service with the other mode's key, signed as its own."""
    stripe = telegram.stripe
    paid_at, told = (stripe_service, live_service) if real else (live_service, stripe_service)
    ada = newcomer(telegram)
    page = page_for(paid_at, ada)
    stripe.set_webhook(told.stripe_webhook)
    try:
        before = everything(told)
        ignored = counted(told, "stripe_events_total", outcome="other_mode")
        paid = stripe.pay(page["session_id"])
        stripe.refund(paid.charge, amount=100)
        for step in ("open", "withdraw", "win"):
            stripe.dispute(paid.charge, step)
        settled(telegram)
        assert everything(told) == before
        assert not told.allowed(ada, "signals")
        kept = rows(told, "SELECT type, outcome FROM stripe_events WHERE live = ?", not real)
        assert {"checkout.session.completed", "charge.refunded", "charge.dispute.closed"} <= {k["type"] for k in kept}
        assert {event["outcome"] for event in kept} == {"other_mode"}
        assert counted(told, "stripe_events_total", outcome="other_mode") > ignored
    finally:
        stripe.set_webhook(stripe_service.stripe_webhook)


@pytest.mark.threat(44)
@pytest.mark.parametrize("kind", ["the page", "the payment", "the charge"])
def test_an_event_that_lies_about_its_mode_touches_nothing_either(
    stripe_service: Service, live_service: Service, telegram: SandboxServer, kind: str
) -> None:
    """A test payment told of as live, at the service with the live key."""
    stripe = telegram.stripe
    ada = newcomer(telegram)
    page = page_for(stripe_service, ada)
    paid = stripe.pay(page["session_id"])
    settled(telegram)
    event_type, thing = {
        "the page": ("checkout.session.completed", stripe.session(page["session_id"])),
        "the payment": ("payment_intent.succeeded", {"id": paid.payment_intent, "object": "payment_intent"}),
        "the charge": ("charge.succeeded", {"id": paid.charge, "object": "charge"}),
    }[kind]
    stripe.set_webhook(live_service.stripe_webhook)
    try:
        before = everything(live_service)
        (delivery,) = stripe.forge_event(event_type, thing | {"livemode": True}, livemode=True)
        assert delivery.status == 200
        assert everything(live_service) == before
    finally:
        stripe.set_webhook(stripe_service.stripe_webhook)


@pytest.mark.threat(44)
def test_real_money_opens_what_was_bought_where_the_key_is_live(
    stripe_service: Service, live_service: Service, telegram: SandboxServer
) -> None:
    """So that the tests before can fail."""
    ada = newcomer(telegram)
    telegram.stripe.set_webhook(live_service.stripe_webhook)
    try:
        buy_by_stripe(live_service, telegram, ada)
        assert live_service.allowed(ada, "signals")
        assert not stripe_service.allowed(ada, "signals")
    finally:
        telegram.stripe.set_webhook(stripe_service.stripe_webhook)
