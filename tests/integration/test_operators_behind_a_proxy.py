"""Operators who come through a proxy find the console and the figures where their network and the proxy's are named."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.operators import STAFF
from tests.integration.proxies import DEPLOY, PROXIES, in_front_of
from tests.integration.sandbox_server import SandboxServer
from tests.integration.service import LOOPBACK, ROOT, Service

THEIRS, OPERATOR, STRANGER = "192.0.2.0/24", "192.0.2.7", "203.0.113.9"
KEPT = ("/console/login", "/metrics", "/schema")


@pytest.fixture(scope="module")
def service(telegram: SandboxServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    settings = {**STAFF, "TRUSTED_PROXIES": "127.0.0.1/32", "OPERATOR_NETWORKS": f"{THEIRS},127.0.0.1/32"}
    with Service(tmp_path_factory.mktemp("operators"), telegram.url, settings) as running:
        yield running


@pytest.mark.parametrize("path", KEPT)
@pytest.mark.parametrize(
    ("told", "status"),
    [
        pytest.param(OPERATOR, 200, id="an operator, through the proxy"),
        pytest.param(None, 200, id="Prometheus, on the same machine"),
        pytest.param(STRANGER, 404, id="a stranger, through the proxy"),
        pytest.param(f"{OPERATOR}, {STRANGER}", 404, id="a stranger who says it is an operator"),
        pytest.param("10.1.2.3", 404, id="a private network that is not named"),
    ],
)
def test_who_is_let_in_is_decided_by_every_address_on_the_way(
    service: Service, path: str, told: str | None, status: int
) -> None:
    headers = {} if told is None else {"X-Forwarded-For": told}

    assert LOOPBACK.get(f"{service.url}{path}", headers=headers).status_code == status


@pytest.fixture(scope="module")
def without_the_proxy(telegram: SandboxServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    settings = {**STAFF, "TRUSTED_PROXIES": "127.0.0.1/32", "OPERATOR_NETWORKS": THEIRS}
    with Service(tmp_path_factory.mktemp("locked_out"), telegram.url, settings) as running:
        yield running


@pytest.mark.parametrize("path", KEPT)
@pytest.mark.parametrize("told", [OPERATOR, None])
def test_where_the_proxy_s_own_address_is_not_named_nobody_is_let_in(
    without_the_proxy: Service, path: str, told: str | None
) -> None:
    headers = {} if told is None else {"X-Forwarded-For": told}

    assert LOOPBACK.get(f"{without_the_proxy.url}{path}", headers=headers).status_code == 404


@pytest.mark.parametrize(
    ("network", "let_in"),
    [pytest.param("127.0.0.0/8", True, id="an operator's"), pytest.param(THEIRS, False, id="others'")],
)
@pytest.mark.parametrize("program", PROXIES)
def test_through_the_proxies_with_the_console_s_lines_in_force_operators_find_it_and_others_do_not(
    service: Service, tmp_path: Path, program: str, network: str, let_in: bool
) -> None:
    with in_front_of(service, program, tmp_path, console_for=network) as client:
        status = client.get("/console/login").status_code

        assert status == 200 if let_in else status in {403, 404}
        assert client.get("/metrics").status_code == 404


@pytest.mark.parametrize("page", [DEPLOY / "nginx.conf", DEPLOY / "Caddyfile", ROOT / "docs" / "operate.md"])
def test_whoever_is_told_to_name_networks_is_told_to_name_the_proxy_s_address_too(page: Path) -> None:
    told = next(line for line in page.read_text().splitlines() if "OPERATOR_NETWORKS" in line)

    assert "127.0.0.1/32" in told
