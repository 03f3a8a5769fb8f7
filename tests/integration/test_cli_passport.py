"""`tollgram passport`: the keys, their rotation, and what the doctor and the service say of them."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from entrypoints.cli import main
from entrypoints.examination.findings import Verdict
from entrypoints.examination.passports import examine_passports
from entrypoints.settings import Settings, known_settings
from tests.integration.service import CATALOG, Service


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def asked(keys: Path | None, *arguments: str) -> Result:
    """In this process: a process each would take seconds."""
    with pytest.MonkeyPatch.context() as world:
        for name in known_settings():
            world.delenv(name, raising=False)
        if keys:
            world.chdir(keys.parent)
            world.setenv("PASSPORT_KEYS", str(keys))
        return CliRunner().invoke(main, ["passport", *arguments])


def listed(keys: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(asked(keys, "list", "--json").stdout)
    return found


def test_from_the_first_key_to_the_next(keys: Path) -> None:
    first = asked(keys, "rotate")
    (key,) = listed(keys)
    assert first.exit_code == 0
    assert f"The key {key['kid']} is in {keys}, and signs at once." in first.stdout
    assert (key["signs"], key["published"], key["published_until"]) == (True, True, None)

    second = asked(keys, "rotate")
    new, old = listed(keys)
    assert second.exit_code == 0
    assert f"The key {new['kid']} is published now and signs from " in second.stdout
    assert f"The key {old['kid']} stays published until " in second.stdout
    assert [(one["signs"], one["published"]) for one in (new, old)] == [(False, True), (True, True)]
    assert old["kid"] == key["kid"]

    shown = asked(keys).stdout.splitlines()
    assert [line.split()[:2] for line in shown] == [["kid", "signs"], [new["kid"], "from"], [old["kid"], "now"]]
    assert ["until" in line for line in shown[1:]] == [False, True]


def test_a_second_rotation_waits_for_the_first_unless_a_key_is_in_wrong_hands(keys: Path) -> None:
    asked(keys, "rotate")
    asked(keys, "rotate")
    before = keys.read_bytes()

    again = asked(keys, "rotate")
    assert again.exit_code == 1
    assert "is published already and signs from" in again.stderr
    assert keys.read_bytes() == before

    assert asked(keys, "rotate", "--compromised").exit_code == 0
    (key,) = listed(keys)
    assert key["signs"]
    assert str(key["kid"]) not in before.decode()


def test_keys_whose_time_is_over_or_that_only_stand_by_are_listed_as_such(keys: Path) -> None:
    asked(keys, "rotate")
    asked(keys, "rotate")
    written = json.loads(keys.read_text())
    new, old = written["keys"]
    old["published_until"] = new["signs_from"] = "2026-01-01T00:00:00Z"
    keys.write_text(json.dumps({"keys": [new, {**old, "kid": "over"}, {**old, "kid": "by", "published_until": None}]}))

    shown = [line.split() for line in asked(keys).stdout.splitlines()[1:]]
    assert [line[1:] for line in shown] == [["now", "yes"], ["no", "no", "longer"], ["no", "yes"]]


@pytest.mark.parametrize("command", ["list", "rotate"])
def test_without_the_setting_or_a_file_that_can_be_read_it_says_what_to_do(keys: Path, command: str) -> None:
    unset = asked(None, command)
    assert (unset.exit_code, unset.stderr.partition(":")[0]) == (2, "PASSPORT_KEYS")
    assert "tollgram passport rotate" in unset.stderr

    keys.write_text('{"keys": [{"d": "canary"}]}')
    spoilt = asked(keys, command)
    assert (spoilt.exit_code, spoilt.stderr.partition(":")[0]) == (2, "PASSPORT_KEYS")
    assert "canary" not in spoilt.stderr


def test_the_service_does_not_start_with_keys_that_it_can_not_read(tmp_path: Path) -> None:
    (tmp_path / "catalog.toml").write_text(CATALOG)
    ran = Service(tmp_path, "http://127.0.0.1:1", {"PASSPORT_KEYS": "nowhere.json"}).run("serve", check=False)

    assert ran.returncode == 2
    assert ran.stderr.startswith("PASSPORT_KEYS: nowhere.json can't be read: No such file or directory")
    assert "tollgram passport rotate" in ran.stderr


class TestTheDoctor:
    def test_says_how_to_set_passports_up(self) -> None:
        (found,) = examine_passports(Settings.read({}))

        assert found.verdict is Verdict.GOOD
        assert "tollgram passport rotate" in found.remedy

    def test_is_content_with_a_key_that_signs(self, keys: Path) -> None:
        asked(keys, "rotate")
        asked(keys, "rotate")
        signing = next(key["kid"] for key in listed(keys) if key["signs"])
        (found,) = examine_passports(Settings.read({"PASSPORT_KEYS": str(keys)}))

        assert (found.verdict, found.finding) == (Verdict.GOOD, f"{signing} signs; 2 published")

    def test_warns_of_a_file_that_others_can_read(self, keys: Path) -> None:
        asked(keys, "rotate")
        keys.chmod(0o640)
        found = list(examine_passports(Settings.read({"PASSPORT_KEYS": str(keys)})))

        assert [one.verdict for one in found] == [Verdict.WARNING, Verdict.GOOD]
        assert found[0].remedy == f"chmod 600 {keys}"

    @pytest.mark.parametrize(
        ("text", "remedy"),
        [
            pytest.param(None, "make the first key", id="no file"),
            pytest.param("{}", "--compromised", id="no key set"),
            pytest.param("over", "--compromised", id="only keys whose time is over"),
        ],
    )
    def test_says_what_is_wrong_with_the_file(self, keys: Path, text: str | None, remedy: str) -> None:
        if text == "over":
            asked(keys, "rotate")
            (key,) = json.loads(keys.read_text())["keys"]
            text = json.dumps({"keys": [{**key, "published_until": "2026-01-01T00:00:00Z"}]})
        if text is not None:
            keys.write_text(text)
        (found,) = examine_passports(Settings.read({"PASSPORT_KEYS": str(keys)}))

        assert found.verdict is Verdict.WRONG
        assert remedy in found.remedy
