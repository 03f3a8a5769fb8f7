"""What watches the service: rules that wake somebody, a dashboard, and a Prometheus that sees what is really told."""

import json
import re
import subprocess
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
import yaml

from tests.integration.buying import buy, newcomer, update_of
from tests.integration.conftest import set_webhook
from tests.integration.prometheus import RULES, WATCHING, Prometheus, needs_prometheus, running_prometheus
from tests.integration.sandbox_server import Json, SandboxServer
from tests.integration.service import LOOPBACK, ROOT, Service, eventually, free_port, update_id
from tests.integration.shops import MTPROTO, shop_by
from tests.integration.stripe_buying import stripe_settings

DASHBOARD = ROOT / "deploy" / "grafana" / "tollgram.json"
NOT_OURS = {"up", "ALERTS"}
WORDS_OF_PROMQL = {"and", "or", "unless", "on", "by", "offset", "bool", "group_left"}
LABELS = re.compile(r"\{[^{}]*\}|\[[^]]*\]|\b(?:by|on)\s*\([^)]*\)|\"[^\"]*\"")
RUNG = re.compile(r'alertname="(\w+)",alertstate="firing"')
NAME = re.compile(r"(?<![\w:$.])[a-zA-Z_:][\w:]*(?!\s*\()(?![\w:])")


def alerts() -> list[Json]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def panels() -> list[Json]:
    return list(json.loads(DASHBOARD.read_text())["panels"])


def metrics_in(expression: str) -> set[str]:
    """The metrics that it asks for; what is left once labels, spans, functions and words are gone."""
    left = LABELS.sub(" ", expression)
    return set(NAME.findall(left)) - WORDS_OF_PROMQL - NOT_OURS


def promtool(*arguments: str) -> str:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def service(telegram: SandboxServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One that has all there is to watch: Telegram, Stripe, and an endpoint that takes nothing."""
    endpoint = {"url": f"http://127.0.0.1:{free_port()}/events", "secret": "whsec_" + "c2VjcmV0" * 4}
    settings = {
        **stripe_settings(telegram.stripe),
        "EVENT_WEBHOOKS_JSON": json.dumps([endpoint]),
        "EVENT_WEBHOOKS_ALLOW_PRIVATE": "true",
    }
    running = Service(tmp_path_factory.mktemp("watched"), telegram.url, settings)
    set_webhook(telegram, running)
    with running:
        yield running


@needs_prometheus
def test_a_real_prometheus_takes_the_rules_and_the_configuration() -> None:
    assert f"{len(alerts())} rules found" in promtool("check", "rules", str(RULES))
    promtool("check", "config", str(WATCHING / "prometheus.yml"))


@needs_prometheus
def test_each_alert_fires_where_it_should_and_none_on_a_good_day() -> None:
    assert "SUCCESS" in promtool("test", "rules", str(WATCHING / "tollgram.rules.test.yml"))


def test_each_alert_was_made_to_fire_and_one_day_was_good() -> None:
    days = yaml.safe_load((WATCHING / "tollgram.rules.test.yml").read_text())["tests"]
    rung = {day["name"]: [one for one in day["promql_expr_test"] if one["exp_samples"]] for day in days}

    asked_for = [one["expr"] for asked in rung.values() for one in asked]
    assert {RUNG.findall(expression)[0] for expression in asked_for} == {alert["alert"] for alert in alerts()}
    assert [name for name, asked in rung.items() if not asked] == ["a good day"]


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: str(alert["alert"]))
def test_whoever_is_woken_is_told_what_it_is_and_what_to_do(alert: Json) -> None:
    assert alert["labels"]["severity"] in {"page", "ticket"}
    told = alert["annotations"]
    assert set(told) == {"summary", "action", "runbook"}
    assert all(told.values())
    page, _, place = told["runbook"].partition("#")
    assert place in anchors(ROOT / page)


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_figure_that_an_alert_or_a_panel_asks_for_is_one_that_the_service_tells(
    service: Service, telegram: SandboxServer
) -> None:
    eventually(lambda: service.metrics().get('telegram_webhook_registered{bot_name="main"}') is not None)
    buy(service, telegram, newcomer(telegram))
    eventually(lambda: any(name.startswith("reconcile_age_seconds") for name in service.metrics()))
    known = {re.split(r"[{ ]", name)[0] for name in service.metrics()}
    known |= families(LOOPBACK.get(f"{service.url}/metrics").text) | OVER_MTPROTO

    asked = {alert["alert"]: metrics_in(alert["expr"]) for alert in alerts()}
    asked |= {
        panel["title"]: {name for target in panel["targets"] for name in metrics_in(target["expr"])}
        for panel in panels()
        if panel["type"] != "row"
    }
    assert metrics_in('sum by (a) (rate(no_such_thing{b="c"}[5m])) > 1 and on (a) up') == {"no_such_thing"}
    assert all(names or title in UP_ALONE for title, names in asked.items())
    assert {title: unknown for title, names in asked.items() if (unknown := names - known)} == {}


UP_ALONE = {"TollgramDown", "TollgramNotWatched", "Does every process answer?", "Does any alert ring?"}


OVER_MTPROTO = {"telegram_listening", "telegram_connected"}


def test_over_mtproto_the_service_tells_who_listens(tmp_path: Path) -> None:
    with shop_by(MTPROTO, tmp_path) as shop:
        told = {f'{name}{{bot_name="main"}}': 1.0 for name in OVER_MTPROTO}
        eventually(lambda: told.items() <= shop.service.metrics().items())
        assert 'telegram_webhook_registered{bot_name="main"}' not in shop.service.metrics()


def families(exposition: str) -> set[str]:
    """Names that are told of, also where nothing was counted yet."""
    return set(re.findall(r"^# TYPE (\w+) ", exposition, re.MULTILINE))


def test_the_dashboard_is_one_that_grafana_can_read() -> None:
    board = json.loads(DASHBOARD.read_text())

    assert board["schemaVersion"] >= 36
    assert {variable["name"] for variable in board["templating"]["list"]} == {"datasource"}
    assert len({panel["id"] for panel in panels()}) == len(panels())
    for panel in panels():
        place = panel["gridPos"]
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= 24
        if panel["type"] == "row":
            continue
        assert panel["type"] in {"stat", "timeseries"}
        assert panel["title"].endswith("?"), "one question a panel"
        assert panel["description"].endswith(".")
        assert panel["fieldConfig"]["defaults"]["unit"]
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references)
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}
    assert covered_twice(panels()) == set()


def covered_twice(placed: list[Json]) -> set[tuple[int, int]]:
    seen: set[tuple[int, int]] = set()
    twice: set[tuple[int, int]] = set()
    for at in (panel["gridPos"] for panel in placed):
        across, down = range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"])
        cells = set(product(across, down))
        twice |= cells & seen
        seen |= cells
    return twice


@needs_prometheus
def test_every_question_of_the_dashboard_is_one_that_a_real_prometheus_understands(tmp_path: Path) -> None:
    questions = [target["expr"] for panel in panels() for target in panel.get("targets", ())]
    rules = [
        {"record": f"question:{number}", "expr": question.replace("$__rate_interval", "1m")}
        for number, question in enumerate(questions)
    ]
    asked = tmp_path / "questions.yml"
    asked.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))

    assert f"{len(rules)} rules found" in promtool("check", "rules", str(asked))


@pytest.fixture
def prometheus(service: Service, tmp_path: Path) -> Iterator[Prometheus]:
    """One that asks the service."""
    with running_prometheus(tmp_path, [{"targets": [service.url.removeprefix("http://")]}]) as running:
        yield running


@needs_prometheus
def test_what_happens_to_a_real_service_rings_at_a_real_prometheus(
    service: Service, telegram: SandboxServer, prometheus: Prometheus
) -> None:
    asked = prometheus.asked
    bought = buy(service, telegram, newcomer(telegram))
    before = eventually(lambda: asked("payment_conflicts_total"), within_s=90)
    assert asked('ALERTS{alertname="TollgramChargeConflict"}') == []

    same = update_of(telegram, bought.update_id)
    same["message"]["successful_payment"]["total_amount"] += 1
    assert service.deliver(same | {"update_id": update_id()}).status_code == 200

    rung = eventually(lambda: asked('ALERTS{alertname="TollgramChargeConflict",alertstate="firing"}'), within_s=90)
    assert before[0]["metric"]["job"] == "tollgram"
    assert rung[0]["metric"]["severity"] == "page"
    assert asked('up{job="tollgram"}')[0]["value"][1] == "1"


@pytest.mark.threat(45)
def test_a_webhook_that_somebody_led_away_shows_as_a_figure_and_in_the_log(
    service: Service, telegram: SandboxServer
) -> None:
    def registered() -> float | None:
        return service.metrics().get('telegram_webhook_registered{bot_name="main"}')

    eventually(lambda: registered() == 1)
    telegram.set_webhook("http://127.0.0.1:9/theirs", secret="theirs")
    try:
        service.stop()
        service.start()
        eventually(lambda: registered() == 0)
    finally:
        set_webhook(telegram, service)

    assert [line["bot"] for line in service.log_lines("webhook.not_ours")][-1] == "main"
    assert "9/theirs" not in LOOPBACK.get(f"{service.url}/metrics").text
