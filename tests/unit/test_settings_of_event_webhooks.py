"""Where events are pushed to is read strictly, told without secrets, and leads out of one's own network only."""

import base64
import json
from typing import Any

import pytest

from domain.notices import NoticeType
from entrypoints.event_webhooks import MOST, shown
from entrypoints.settings import Settings, SettingsError

SECRET = "whsec_" + base64.b64encode(b"canary-secret-of-the-tests-1").decode()
OTHER = "whsec_" + base64.b64encode(b"canary-secret-of-the-tests-2").decode()
GOOD: dict[str, Any] = {"url": "https://app.example/hooks?key=canary", "secret": SECRET}


def read(*endpoints: Any, **more: str) -> Settings:
    return Settings.read({"EVENT_WEBHOOKS_JSON": json.dumps(endpoints), **more})


def test_an_endpoint_gets_all_types_or_those_it_names() -> None:
    every, some = read(
        GOOD, {**GOOD, "url": "https://b.example", "types": ["entitlement.granted", "entitlement.expired"]}
    ).event_endpoints
    assert (every.url, every.types) == (GOOD["url"], None)
    assert some.types == frozenset({NoticeType.ENTITLEMENT_GRANTED, NoticeType.ENTITLEMENT_EXPIRED})
    assert every.id != some.id
    assert every.id.startswith("ep_")


@pytest.mark.parametrize("secret", [[SECRET, OTHER], f"{SECRET} {OTHER}"], ids=["a list", "with a space"])
def test_while_a_secret_is_changed_there_are_two(secret: object) -> None:
    (endpoint,) = read({**GOOD, "secret": secret}).event_endpoints
    assert endpoint.secrets == (b"canary-secret-of-the-tests-1", b"canary-secret-of-the-tests-2")
    assert endpoint.id == read(GOOD).event_endpoints[0].id


def test_secrets_are_hidden_in_outputs_and_an_address_is_shown_without_its_query() -> None:
    settings = read(GOOD)
    assert SECRET.removeprefix("whsec_") in settings.secrets
    assert "canary" not in repr(settings)
    assert shown(settings.event_endpoints[0]) == "https://app.example/hooks"


@pytest.mark.parametrize(
    "endpoints",
    [
        pytest.param({"url": GOOD["url"]}, id="no list"),
        pytest.param([{"url": GOOD["url"]}], id="no secret"),
        pytest.param([{**GOOD, "tpyes": []}], id="an unknown field"),
        pytest.param([{**GOOD, "secret": ""}], id="an empty secret"),
        pytest.param([{**GOOD, "secret": []}], id="an empty list of secrets"),
        pytest.param([{**GOOD, "secret": [SECRET] * 6}], id="six secrets"),
        pytest.param([{**GOOD, "secret": "canary"}], id="a secret that is none"),
        pytest.param([{**GOOD, "types": []}], id="no types"),
        pytest.param([{**GOOD, "types": ["canary"]}], id="an unknown type"),
        pytest.param([GOOD, GOOD], id="one url twice"),
        pytest.param([{**GOOD, "url": f"https://{n}.example"} for n in range(MOST + 1)], id="too many"),
        pytest.param([{**GOOD, "url": "ftp://canary.example"}], id="another scheme"),
        pytest.param([{**GOOD, "url": "https://"}], id="no host"),
        pytest.param([{**GOOD, "url": "https://ada:canary@app.example"}], id="a user in it"),
        pytest.param([{**GOOD, "url": "https://app.example#canary"}], id="a fragment"),
        pytest.param([{**GOOD, "url": "https://app.example/canary here"}], id="a blank"),
        pytest.param([{**GOOD, "url": "https://app.example/canary\n"}], id="a line break"),
        pytest.param([{**GOOD, "url": "https://canäry.example"}], id="no ASCII"),
        pytest.param([{**GOOD, "url": "https://[canary]/"}], id="no address in brackets"),
        pytest.param([{**GOOD, "url": "https://canary.example:0"}], id="port 0"),
        pytest.param([{**GOOD, "url": "https://canary.example/" + "a" * 2048}], id="too long"),
    ],
)
def test_a_mistake_is_told_without_its_value(endpoints: object) -> None:
    with pytest.raises(SettingsError) as told:
        Settings.read({"EVENT_WEBHOOKS_JSON": json.dumps(endpoints), "EVENT_WEBHOOKS_ALLOW_PRIVATE": "true"})
    (problem,) = told.value.problems
    assert problem.startswith("EVENT_WEBHOOKS_JSON: ")
    assert "can" not in problem


def test_a_field_that_is_there_twice_is_a_mistake() -> None:
    twice = json.dumps([GOOD]).replace('"secret"', f'"secret": "{OTHER}", "secret"')
    with pytest.raises(SettingsError, match=r"^EVENT_WEBHOOKS_JSON: holds one name twice$"):
        Settings.read({"EVENT_WEBHOOKS_JSON": twice})


@pytest.mark.threat(32)
@pytest.mark.parametrize(
    "url",
    [
        "http://app.example",
        "https://127.0.0.1",
        "https://10.0.0.1:8443",
        "https://169.254.169.254",
        "https://[::1]",
        "https://[::ffff:10.0.0.1]",
        "https://0.0.0.0",
        "https://100.64.0.1",
    ],
)
def test_http_and_addresses_that_are_not_public_are_refused_unless_they_are_allowed(url: str) -> None:
    with pytest.raises(SettingsError, match=r"of endpoint 2, .*EVENT_WEBHOOKS_ALLOW_PRIVATE"):
        read(GOOD, {**GOOD, "url": url})
    assert len(read(GOOD, {**GOOD, "url": url}, EVENT_WEBHOOKS_ALLOW_PRIVATE="true").event_endpoints) == 2
