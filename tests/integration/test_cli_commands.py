"""The commands as an operator has them: processes with exit codes, words on two streams, and nothing half done."""

import json
import shlex
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner, Result

from adapters.telegram.webhook import ALLOWED_UPDATES
from entrypoints.cli import PANELS, main
from entrypoints.settings import known_settings
from tests.integration.sandbox_server import BOT_TOKEN, SandboxServer
from tests.integration.service import (
    CATALOG,
    TOLLGRAM,
    WEBHOOK_SECRET,
    Service,
    only,
)

HEAVY = {
    "litestar",
    "sqlalchemy",
    "telethon",
    "stripe",
    "httpx",
    "msgspec",
    "jwt",
    "cryptography",
    "alembic",
    "uvicorn",
}
EVERY_HELP = """
import contextlib, io, json, sys
from entrypoints.cli import main

def every(command, path=()):
    yield path
    for name, below in getattr(command, "commands", {}).items():
        yield from every(below, (*path, name))

helps = {}
for path in every(main):
    with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.suppress(SystemExit):
        main([*path, "--help"])
    helps[" ".join(path)] = said.getvalue()
json.dump({"helps": helps, "loaded": sorted({name.partition(".")[0] for name in sys.modules})}, sys.stdout)
"""


@pytest.fixture
def prepared(telegram: SandboxServer, tmp_path: Path) -> Iterator[Service]:
    """Settings, a catalog and an empty folder; nothing runs."""
    (tmp_path / "catalog.toml").write_text(CATALOG)
    telegram.call("deleteWebhook", {"drop_pending_updates": True}, token=BOT_TOKEN)
    yield Service(tmp_path, telegram.url)
    telegram.call("deleteWebhook", {"drop_pending_updates": True}, token=BOT_TOKEN)


def test_every_help_says_which_exit_codes_there_are_and_loads_nothing_heavy(prepared: Service) -> None:
    asked = subprocess.run(
        [sys.executable, "-c", EVERY_HELP],
        env=prepared.environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    said = json.loads(asked.stdout)

    assert len(said["helps"]) > 25
    assert [command for command, words in said["helps"].items() if "Exit codes: 0 " not in words] == []
    assert "entrypoints" in said["loaded"]
    assert set(said["loaded"]) & HEAVY == set()


def test_help_shows_every_command_in_its_panel(prepared: Service) -> None:
    plain = here(prepared, "--help").stdout
    command = shlex.join([*TOLLGRAM, "--help"])
    at_a_terminal = subprocess.run(
        ["script", "--quiet", "--command", command, "/dev/null"],
        env=prepared.environment | {"TERM": "xterm"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout

    for shown, heading in ((plain, "\n{}:\n"), (at_a_terminal, " {} ")):
        places = [shown.index(heading.format(panel)) for panel in PANELS]
        assert places == sorted(places)
        assert "Commands:" not in shown
        assert "─ Commands ─" not in shown
    assert {name for commands in PANELS.values() for name in (command.name for command in commands)} == set(
        main.commands
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_told_how_to_complete_and_is_then_answered(prepared: Service, shell: str) -> None:
    script = here(prepared, "completion", shell).stdout
    asked = {"COMP_WORDS": "tollgram payments --status gr", "COMP_CWORD": "3" if shell != "fish" else "gr"}
    answer = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv[0] = 'tollgram'; from entrypoints.cli import main; main()"],
        env=prepared.environment | asked | {"_TOLLGRAM_COMPLETE": f"{shell}_complete"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert f"_TOLLGRAM_COMPLETE={shell}_complete" in script
    assert "granted" in answer.stdout


def test_plans_are_completed_out_of_the_catalog(prepared: Service) -> None:
    asked = {"COMP_WORDS": "tollgram grant 1001 d", "COMP_CWORD": "3", "_TOLLGRAM_COMPLETE": "bash_complete"}
    answer = here(prepared, environment=asked)

    assert answer.stdout == "plain,day_pass\n"


class TestServe:
    @pytest.mark.threat(1)
    @pytest.mark.parametrize(
        ("wrong", "named"),
        [
            pytest.param({"TELEGRAM_WEBHOOK_SECRET": ""}, ["TELEGRAM_WEBHOOK_SECRET"], id="no webhook secret"),
            pytest.param({"AUTH_JWT_SECRET": "canary"}, ["AUTH_JWT_SECRET"], id="a secret that is too short"),
            pytest.param(
                {
                    "TELEGRAM_BOT_TOKEN": "canary",
                    "PUBLIC_URL": "canary",
                    "INVOICE_SIGNING_KEYS": "",
                    "LOG_LEVEL": "canary",
                },
                ["TELEGRAM_BOT_TOKEN", "PUBLIC_URL", "INVOICE_SIGNING_KEYS", "LOG_LEVEL"],
                id="four at once",
            ),
            pytest.param({"AUTH_JWT_SECRET": "", "AUTH_JWKS": "missing.json"}, ["AUTH_JWKS"], id="no such key set"),
        ],
    )
    def test_it_refuses_to_start_and_names_the_setting(
        self, prepared: Service, wrong: dict[str, str], named: list[str]
    ) -> None:
        prepared.settings = wrong
        ran = prepared.run("serve", "--port", str(prepared.port), check=False)

        assert (ran.returncode, ran.stdout) == (2, "")
        *what, remedy = ran.stderr.splitlines()
        assert sorted(line.partition(":")[0] for line in what) == sorted(named)
        assert remedy == "Set it in the environment or in .env; see .env.example."
        assert "canary" not in ran.stderr

    def test_it_refuses_to_start_with_a_catalog_that_has_mistakes(self, prepared: Service) -> None:
        (prepared.folder / "catalog.toml").write_text(CATALOG.replace('"1 month"', '"0 months"').replace("1250", "0"))
        ran = prepared.run("serve", "--port", str(prepared.port), check=False)

        assert ran.returncode == 2
        first, second, remedy = ran.stderr.splitlines()
        assert "catalog.toml: plans.gold_1m.duration: " in first
        assert "catalog.toml: plans.gold_1m.prices.XTR: " in second
        assert remedy == "Mend it, then run: tollgram catalog check"

    def test_a_busy_port_is_told_with_one_that_is_free(self, prepared: Service, telegram: SandboxServer) -> None:
        busy = telegram.url.rpartition(":")[2]
        ran = prepared.run("serve", "--port", busy, check=False)

        assert ran.returncode == 1
        what, remedy = ran.stderr.splitlines()
        assert f"Port {busy} of 127.0.0.1: address already in use." in what
        assert remedy.startswith("Choose another one: tollgram serve --port ")
        assert int(remedy.rpartition(" ")[2]) > int(busy)

    def test_an_address_of_another_machine_is_told(self, prepared: Service) -> None:
        ran = prepared.run("serve", "--host", "192.0.2.1", "--port", str(prepared.port), check=False)

        assert ran.returncode == 1
        assert "192.0.2.1" in ran.stderr
        assert "Traceback" not in ran.stderr

    @pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
    def test_stopping_it_as_told_is_no_failure(self, prepared: Service, told: signal.Signals) -> None:
        with prepared as service:
            process = service.process
            assert process is not None
            process.send_signal(told)

            assert process.wait(30) == 0
            assert "Traceback" not in service.log_text()

    def test_the_sandbox_tells_of_a_busy_port_too(self, prepared: Service, telegram: SandboxServer) -> None:
        ran = prepared.run("sandbox", "--port", telegram.url.rpartition(":")[2], check=False)

        assert ran.returncode == 1
        assert "already in use" in ran.stderr


class TestMigrate:
    def test_a_new_database_is_made_and_an_old_one_left_as_it_is(self, prepared: Service) -> None:
        for _ in range(2):
            assert here(prepared, "migrate").stdout.startswith("The database is at the newest schema")
        with sqlite3.connect(prepared.folder / "tollgram.db") as database:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        database.close()
        assert {"invoices", "payments", "entitlements", "outbox"} <= tables

    @pytest.mark.threat(34)
    def test_a_database_that_is_not_there_is_told_without_its_password(self, prepared: Service) -> None:
        prepared.settings = {"DATABASE_URL": "postgresql://ada:canary@127.0.0.1:1/tollgram"}
        ran = here(prepared, "migrate")

        assert (ran.exit_code, ran.stdout) == (1, "")
        what, remedy = ran.stderr.splitlines()
        assert "Connection refused" in what
        assert remedy == "To find out more, run: tollgram doctor"
        assert "canary" not in ran.stderr

    def test_whoever_has_not_made_it_yet_is_told_how(self, prepared: Service) -> None:
        for made in (False, True):
            if made:
                (prepared.folder / "tollgram.db").touch()
            ran = here(prepared, "payments")
            assert (ran.exit_code, ran.stdout) == (1, "")
            assert ran.stderr.splitlines()[-1].endswith("tollgram migrate")

    def test_settings_that_it_does_not_need_may_be_missing(self, prepared: Service) -> None:
        prepared.settings = {"TELEGRAM_BOT_TOKEN": "", "AUTH_JWT_SECRET": "", "INVOICE_SIGNING_KEYS": ""}

        assert here(prepared, "migrate").exit_code == 0


class TestCatalogCheck:
    def test_a_good_one_is_shown_as_a_table(self, prepared: Service) -> None:
        lines = here(prepared, "catalog", "check").stdout.splitlines()

        assert lines[0].split() == ["plan", "title", "duration", "GBP", "XTR", "opens"]
        assert " ".join(lines[1].split()) == "gold_1m Gold, 1 month 1 month £25.00 1,250 ⭐ signals, copy_trading"
        assert lines[2].split() == ["day_pass", "Day", "pass", "1", "day", "–", "75", "⭐", "signals"]
        assert lines[-1] == f"{prepared.folder}/catalog.toml: 4 plans, no mistakes."
        assert [line for line in lines if line != line.rstrip()] == []

    def test_titles_are_shown_as_they_are(self, prepared: Service) -> None:
        (prepared.folder / "catalog.toml").write_text(CATALOG.replace('"Day pass"', '"Day [red]pass[/red] :star:"'))

        assert "Day [red]pass[/red] :star:" in here(prepared, "catalog", "check").stdout

    @pytest.mark.threat(28)
    def test_every_mistake_is_told_with_its_place(self, prepared: Service) -> None:
        (prepared.folder / "other.toml").write_text(
            CATALOG.replace('"1 day"', '"-1 days"').replace('"1 week"', '"0 days"').replace("75", "0")
        )
        ran = here(prepared, "catalog", "check", "other.toml")

        assert (ran.exit_code, ran.stdout) == (1, "")
        *mistakes, end = ran.stderr.splitlines()
        assert [": ".join(mistake.split(": ")[:2]) for mistake in mistakes] == [
            "other.toml: plans.day_pass.duration",
            "other.toml: plans.day_pass.renew_window",
            "other.toml: plans.day_pass.prices.XTR",
        ]
        assert end.startswith("3 mistakes. ")

    def test_programs_read_plans_and_mistakes(self, prepared: Service) -> None:
        good = json.loads(here(prepared, "catalog", "check", "--json").stdout)
        (prepared.folder / "other.toml").write_text(CATALOG.replace("75", "0"))
        ran = here(prepared, "catalog", "check", "other.toml", "--json")
        bad = json.loads(ran.stdout)

        assert [plan["plan_code"] for plan in good["plans"]] == ["gold_1m", "day_pass", "founder", "pounds_only"]
        assert good["plans"][0]["prices"] == {"GBP": 2500, "XTR": 1250}
        assert good["mistakes"] == []
        assert (ran.exit_code, ran.stderr, bad["plans"]) == (1, "", [])
        assert only(bad["mistakes"]).startswith("plans.day_pass.prices.XTR: ")

    def test_a_missing_one_is_told(self, prepared: Service) -> None:
        ran = here(prepared, "catalog", "check", "missing.toml")

        assert ran.exit_code == 1
        assert ran.stderr.startswith("missing.toml: can't be read: No such file or directory\n1 mistake. ")


class TestToken:
    def test_it_opens_what_it_is_for_and_nothing_else(self, prepared: Service) -> None:
        with prepared as service:
            user = here(service, "token", "--user", "1001").stdout.strip()
            reader = here(service, "token", "--user", "7", "--scope", "entitlements:read payments:read").stdout.strip()
            repeated = here(
                service, "token", "--user", "7", "--scope", "a", "--scope", "entitlements:read"
            ).stdout.strip()
            check = "/internal/v1/users/1001/features/signals"

            assert status(service, "/api/v1/me/entitlements", user) == 200
            assert status(service, check, user) == 403
            assert status(service, check, reader) == 200
            assert status(service, check, repeated) == 200

    def test_without_a_secret_nothing_is_made_up(self, prepared: Service) -> None:
        prepared.settings = {"AUTH_JWT_SECRET": ""}
        ran = here(prepared, "token", "--user", "1001")

        assert (ran.exit_code, ran.stdout) == (2, "")
        assert ran.stderr.startswith("AUTH_JWT_SECRET: is missing")
        assert len(ran.stderr.splitlines()) == 2


class TestWebhook:
    def test_it_is_set_shown_and_deleted(self, prepared: Service, telegram: SandboxServer) -> None:
        assert here(prepared, "webhook", "set").stdout == f"main: updates go to {prepared.webhook}\n"
        assert only(telegram.calls("setWebhook")[-1:])["arguments"] == {
            "url": prepared.webhook,
            "secret_token": WEBHOOK_SECRET,
            "allowed_updates": list(ALLOWED_UPDATES),
            "max_connections": 40,
        }
        assert {command["command"] for command in telegram.calls("setMyCommands")[-1]["arguments"]["commands"]} >= {
            "buy"
        }
        assert here(prepared, "webhook", "info").stdout == f"main: {prepared.webhook}\n  0 updates wait\n"
        told = json.loads(here(prepared, "webhook", "info", "--json").stdout)
        assert told["main"]["url"] == told["main"]["expected_url"] == prepared.webhook
        assert set(told["main"]) == {
            "url", "expected_url", "pending_update_count", "last_error_at", "last_error_message", "max_connections",
            "allowed_updates",
        }  # fmt: skip
        assert here(prepared, "webhook", "delete").stdout.startswith("main: no webhook any more")
        assert here(prepared, "webhook", "info").stdout.startswith("main: no webhook is set\n")

    @pytest.mark.threat(45)
    def test_one_that_leads_elsewhere_is_shown_beside_ours(self, prepared: Service, telegram: SandboxServer) -> None:
        telegram.set_webhook("https://evil.example/hook")

        assert here(prepared, "webhook", "info").stdout.splitlines() == [
            "main: https://evil.example/hook",
            f"  This service's address is {prepared.webhook}",
            "  0 updates wait",
        ]

    @pytest.mark.threat(1)
    @pytest.mark.parametrize("name", ["TELEGRAM_WEBHOOK_SECRET", "TELEGRAM_BOT_TOKEN"])
    def test_nothing_is_set_without(self, prepared: Service, telegram: SandboxServer, name: str) -> None:
        before = len(telegram.calls("setWebhook"))
        prepared.settings = {name: ""}
        ran = here(prepared, "webhook", "set")

        assert (ran.exit_code, ran.stderr.partition(":")[0]) == (2, name)
        assert len(telegram.calls("setWebhook")) == before

    def test_telegram_itself_is_given_nothing_but_https(self, prepared: Service) -> None:
        prepared.settings = {"TELEGRAM_API_BASE": ""}
        ran = here(prepared, "webhook", "set")

        assert (ran.exit_code, ran.stderr.partition(":")[0]) == (2, "PUBLIC_URL")

    def test_a_bot_that_there_is_not_is_told(self, prepared: Service) -> None:
        ran = here(prepared, "webhook", "info", "--bot", "second")

        assert ran.exit_code == 2
        assert ran.stderr.splitlines() == ["There is no bot 'second'.", "The settings name main."]

    @pytest.mark.threat(34)
    @pytest.mark.parametrize("command", ["set", "info", "delete"])
    def test_an_unreachable_telegram_is_told_without_the_token(self, prepared: Service, command: str) -> None:
        prepared.settings = {"TELEGRAM_API_BASE": "http://127.0.0.1:1"}
        ran = here(prepared, "webhook", command)

        assert (ran.exit_code, ran.stdout) == (1, "")
        assert ran.stderr.startswith("main: ")
        assert BOT_TOKEN.partition(":")[2] not in ran.stderr
        assert "Traceback" not in ran.stderr


def status(service: Service, path: str, token: str) -> int:
    return httpx.get(service.url + path, headers={"Authorization": f"Bearer {token}"}, timeout=10).status_code


def here(prepared: Service, *arguments: str, environment: Mapping[str, str] | None = None) -> Result:
    """The command in this process, which is all that is left out: a new process each would take a minute."""
    with pytest.MonkeyPatch.context() as world:
        world.chdir(prepared.folder)
        for name in known_settings():
            world.delenv(name, raising=False)
        for name, value in {**prepared.environment, **(environment or {})}.items():
            world.setenv(name, value)
        ran = CliRunner().invoke(main, arguments, prog_name="tollgram")
    if ran.exception and not isinstance(ran.exception, SystemExit):
        raise ran.exception
    return ran
