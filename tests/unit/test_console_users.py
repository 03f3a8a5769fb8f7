"""Who works at the console: names with hashes of passwords that are hard to guess, and roles."""

import json
from typing import Any

import pytest
from click.testing import CliRunner

from adapters.passwords import LONGEST_PASSWORD, PasswordHash
from entrypoints.cli import main
from entrypoints.console_users import Role, console_users
from entrypoints.settings import Settings, SettingsError

SALT = b"0123456789abcdef"
HASH = PasswordHash.of("correct horse battery", SALT)
ADA = json.dumps({"ada": str(HASH)})


def test_a_hash_fits_its_password_and_no_other() -> None:
    assert HASH.fits("correct horse battery")
    for other in ("correct horse batterz", "", "correct horse battery ", "x" * (LONGEST_PASSWORD + 1), "\ud800"):
        assert not HASH.fits(other)


def test_the_same_password_has_another_hash_with_other_salt() -> None:
    assert PasswordHash.of("correct horse battery", b"fedcba9876543210").digest != HASH.digest


def test_a_hash_is_read_as_it_was_written_and_holds_nothing_that_a_shell_would_read() -> None:
    assert PasswordHash.read(str(HASH)) == HASH
    assert not set(str(HASH)) & set("$`\"'\\ ;&|<>*?!#")


def test_whoever_prints_a_hash_by_accident_prints_no_secret() -> None:
    [user] = console_users(ADA).values()
    assert str(HASH).rpartition(":")[2] not in repr((HASH, user))
    assert HASH.digest.hex() not in repr(HASH)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("correct horse battery", id="the password itself"),
        pytest.param("$2b$12$abcdefghijklmnopqrstuv", id="another kind of hash"),
        pytest.param(str(HASH).replace("scrypt:15", "scrypt:14"), id="half the work"),
        pytest.param(str(HASH).replace("15:8", "15:4"), id="half the memory"),
        pytest.param(str(HASH).replace("15:8:3", "15:8:0"), id="no work"),
        pytest.param(str(HASH).replace("scrypt:15", "scrypt:30"), id="more memory than there is"),
        pytest.param(str(HASH)[:-1], id="cut short"),
        pytest.param(str(HASH) + "\n", id="with a line break"),
    ],
)
def test_what_is_no_good_hash_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="tollgram console hash") as refused:
        PasswordHash.read(text)
    assert not text or text not in str(refused.value)


def test_one_is_an_operator_unless_a_role_is_named() -> None:
    given = {"ada": str(HASH), "bo": {"hash": str(HASH), "role": "viewer"}, "cy@x.example": {"hash": str(HASH)}}
    roles = {name: user.role for name, user in console_users(json.dumps(given)).items()}
    assert roles == {"ada": Role.OPERATOR, "bo": Role.VIEWER, "cy@x.example": Role.OPERATOR}


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(["ada"], id="a list"),
        pytest.param({"ada": 1}, id="a number for a hash"),
        pytest.param({"ada": {"hash": str(HASH), "role": "owner"}}, id="a role that there is not"),
        pytest.param({"ada": {"role": "viewer"}}, id="no hash"),
        pytest.param({"ada": {"hash": str(HASH), "rolle": "viewer"}}, id="a field that there is not"),
        pytest.param({"": str(HASH)}, id="no name"),
        pytest.param({"a b": str(HASH)}, id="a name with a space"),
        pytest.param({"<b>": str(HASH)}, id="a name with markup"),
        pytest.param({"x" * 65: str(HASH)}, id="a name too long"),
        pytest.param({"ada": "canary"}, id="no hash but a word"),
    ],
)
def test_what_the_setting_may_not_say(given: Any) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        console_users(json.dumps(given))
    assert "canary" not in str(refused.value)


def test_nobody_stands_there_twice() -> None:
    """Else one of two passwords would open nothing, and nobody would be told which."""
    with pytest.raises(ValueError, match=r"^holds one name twice$"):
        console_users(f'{{"ada": "{HASH}", "ada": {{"hash": "{HASH}", "role": "viewer"}}}}')


@pytest.mark.parametrize(
    ("public_url", "good"),
    [
        ("https://pay.example", True),
        ("http://127.0.0.1:8000", True),
        ("http://localhost", True),
        ("http://[::1]:8000", True),
        ("http://pay.example", False),
        ("http://10.0.0.7:8000", False),
        ("http://127.0.0.1.example", False),
    ],
)
def test_no_password_is_asked_for_where_others_could_read_it_on_its_way(public_url: str, good: bool) -> None:
    with pytest.raises(SettingsError) as missing:  # for all that serving needs besides
        Settings.read({"PUBLIC_URL": public_url, "CONSOLE_USERS_JSON": ADA}, serving=True)
    told = [problem for problem in missing.value.problems if problem.startswith("CONSOLE_USERS_JSON")]
    assert bool(told) is not good
    assert Settings.read({"CONSOLE_USERS_JSON": ADA}).secrets == (str(HASH),)


def test_a_hash_is_made_of_what_standard_input_holds_and_of_no_short_password() -> None:
    made = CliRunner().invoke(main, ["console", "hash"], input="correct horse battery\n")
    assert made.exit_code == 0
    assert PasswordHash.read(made.output.strip()).fits("correct horse battery")
    assert PasswordHash.read(made.output.strip()) != HASH, "its salt is its own"

    short = CliRunner().invoke(main, ["console", "hash"], input="short\n")
    assert short.exit_code == 2
    assert "12 to 1024 characters" in short.output
