"""The API's document tells the truth: a program that knows nothing else tries every operation by it."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.passports.rotation import rotate
from entrypoints.http import billing
from entrypoints.http.app import ROUTES
from entrypoints.http.openapi import ROUTES as OF_THE_DOCUMENT_ITSELF
from tests.integration.buying import buy, newcomer
from tests.integration.conftest import set_webhook
from tests.integration.sandbox_server import Json, SandboxServer
from tests.integration.service import LOOPBACK, WEBHOOK_SECRET, Service
from tests.integration.test_threat_false_callers import SCOPES

FOR_PEOPLE = (billing.done, billing.cancelled, billing.returned)
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
CASES_AN_OPERATION = 12
WITHIN_S = 180
# What a document can't say: which plans there are, which cursors were given out, and that 1.0 is no id.
CONFIGURATION = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "409", "422"]

[[operations]]
include-name = "GET /api/v1/me/payments"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400"]

[[operations]]
include-name = "GET /internal/v1/payments"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400"]

[[operations]]
include-name = "GET /internal/v1/payment-events"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400"]

[[operations]]
include-name = "POST /internal/v1/features/check"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400"]

[[operations]]
include-tag = "For Telegram"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400"]

[[operations]]
include-tag = "For Stripe"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "404"]
checks.missing_required_header.enabled = false
"""


@pytest.fixture(scope="module")
def service(telegram: SandboxServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    rotate(folder / "keys.json", datetime.now(UTC))
    settings = {"PURCHASE_ATTEMPTS_PER_MINUTE": "1000", "PASSPORT_KEYS": str(folder / "keys.json")}
    with Service(folder, telegram.url, settings) as running:
        set_webhook(telegram, running)
        yield running


@pytest.fixture(scope="module")
def document(service: Service) -> Json:
    found: Json = LOOPBACK.get(f"{service.url}/schema/openapi.json").raise_for_status().json()
    return found


def test_every_route_of_the_service_is_in_the_document_and_no_other(document: Json) -> None:
    served = {
        (re.sub(r"\{(\w+):\w+\}", r"{\1}", path), method.lower())
        for route in ROUTES
        if route not in (*OF_THE_DOCUMENT_ITSELF, *FOR_PEOPLE)
        for path in route.paths
        for method in route.http_methods
    }

    assert {(path, method) for path, methods in document["paths"].items() for method in methods} == served


def test_the_document_is_whole(document: Json) -> None:
    assert document["openapi"].startswith("3.1")
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert references == set(document["components"]["schemas"])
    for operation in operations:
        assert operation["summary"]
        assert {"200", "201", "202"} & set(operation["responses"])
        schemes = {name for choice in operation["security"] for name in choice}
        assert schemes <= set(document["components"]["securitySchemes"])
        assert not schemes - {"stripe"} or "401" in operation["responses"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param({"action": "grant", "plan_code": "gold_1m", "user_id": 1001}, 409, id="a grant with a plan"),
        pytest.param({"action": "refund"}, 409, id="a refund"),
        pytest.param({"action": "refund", "plan_code": None, "user_id": None}, 409, id="a refund, said whole"),
        pytest.param({"action": "refund", "plan_code": "gold_1m"}, 400, id="a refund with a plan"),
        pytest.param({"action": "refund", "user_id": 1001}, 400, id="a refund for somebody"),
    ],
)
def test_a_plan_goes_with_one_way_of_resolving_a_payment_as_the_document_says(
    service: Service, telegram: SandboxServer, document: Json, body: Json, status: int
) -> None:
    address = "/internal/v1/payments/{payment_id}/resolve"
    [content] = document["paths"][address]["post"]["requestBody"]["content"].values()
    grants, leaves_out = (choice["properties"] for choice in content["schema"]["anyOf"])
    says_yes = body["action"] == grants["action"]["const"] or all(
        body.get(name) is None and schema == {"type": "null"} for name, schema in leaves_out.items()
    )
    buy(service, telegram, ada := newcomer(telegram))
    with service.as_service(*SCOPES) as client:
        [paid] = client.get("/internal/v1/payments", params={"user_id": ada}).raise_for_status().json()["items"]
        answer = client.post(address.format(**paid), json={"reason": "why", **body})

    assert set(leaves_out) == {"plan_code", "user_id"}
    assert (answer.status_code, says_yes) == (status, status == 409), "of what is granted, where the body is well"


def test_the_document_says_that_ending_a_grant_needs_no_key(document: Json) -> None:
    operation = document["paths"]["/internal/v1/entitlements/{entitlement_id}/revoke"]["post"]
    assert "It takes no `Idempotency-Key` and needs none" in operation["description"]
    assert "Idempotency-Key" not in [parameter["name"] for parameter in operation["parameters"]]


def test_the_same_document_is_at_its_own_address_and_for_whoever_wants_json(service: Service, document: Json) -> None:
    assert LOOPBACK.get(f"{service.url}/schema", headers={"Accept": "application/json"}).json() == document
    assert LOOPBACK.get(f"{service.url}/schema").json() == document


def test_the_page_shows_every_operation_and_loads_nothing_from_anywhere(service: Service, document: Json) -> None:
    page = LOOPBACK.get(f"{service.url}/schema", headers={"Accept": "text/html,application/xhtml+xml"})

    assert page.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert "://" not in page.text
    assert "<script" not in page.text
    for path in document["paths"]:
        assert f"<code>{path}</code>" in page.text.replace("<wbr>", "")
    (style,) = re.findall(r'<link rel="stylesheet" href="([^"]+)"', page.text)
    assert LOOPBACK.get(service.url + style).headers["Content-Type"].startswith("text/css")


def test_schemathesis_finds_no_answer_that_the_document_does_not_tell_of(
    service: Service, telegram: SandboxServer, document: Json, tmp_path: Path
) -> None:
    ada = newcomer(telegram)
    for plan_code in ("day_pass", "founder"):
        buy(service, telegram, ada, plan_code)
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION)
    with service.as_service(*SCOPES) as client:
        payments = client.get("/internal/v1/payments", params={"user_id": ada}).raise_for_status().json()["items"]
        spans = client.get(f"/internal/v1/users/{ada}/entitlements").raise_for_status().json()["entitlements"]
    there_are = {
        "user_id": [ada],
        "payment_id": [payment["payment_id"] for payment in payments],
        "entitlement_id": [span["entitlement_id"] for span in spans],
        "wait": [0],  # nobody shall wait for half a minute
    }
    (tmp_path / "openapi.json").write_text(json.dumps(of_the_bot_main(document, there_are)))
    tried = subprocess.run(
        [
            str(SCHEMATHESIS),
            "run",
            str(tmp_path / "openapi.json"),
            f"--url={service.url}",
            f"--header=Authorization: Bearer {service.token(ada, *SCOPES)}",
            f"--header=X-Telegram-Bot-Api-Secret-Token: {WEBHOOK_SECRET}",
            f"--max-examples={CASES_AN_OPERATION}",
            "--seed=1",
            "--continue-on-failure",
            "--warnings=off",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )

    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert f"{len([method for methods in document['paths'].values() for method in methods])} total" in tried.stdout
    assert service.log_lines("request.failed") == []


def of_the_bot_main(document: Json, there_are: Mapping[str, Sequence[Any]]) -> Any:
    """The same document for one who knows that there is only this bot, that Stripe is not set up, which addresses are
    ours, and which ids there are."""
    text = json.dumps(document)
    narrowed = json.loads(text)
    schemas = narrowed["components"]["schemas"]
    for body in ("Purchase", "CheckoutRequest"):
        schemas[body]["properties"]["bot"] = {"const": "main"}
    del schemas["PortalRequest"]["properties"]["return_url"]
    schemas["ResolveRequest"]["properties"]["user_id"] = {"enum": [*there_are["user_id"], None]}
    for methods in narrowed["paths"].values():
        for operation in methods.values():
            for parameter in operation["parameters"]:
                if parameter["name"] == "bot":
                    parameter["schema"] = {"const": "main"}
                if known := there_are.get(parameter["name"]):
                    parameter["schema"] = {"enum": list(known)}
    return narrowed
