"""What is installed is what was reviewed: every package by its exact version and hash, from no address of ours."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REQUIREMENTS = sorted((ROOT / "requirements").glob("*.txt"))
PINNED = re.compile(r"[a-z0-9][a-z0-9._-]*(\[[a-z0-9,_-]+\])?==[^\s;*]+( ; [^\\]+)?")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
ADDRESS = re.compile(r"://|--(extra-)?index-url|--find-links|--trusted-host|(^|\s)-[if]\s| @ ", re.MULTILINE)

pytestmark = pytest.mark.threat(49)


def test_there_are_pins_for_running_for_developing_and_for_the_installer() -> None:
    assert [path.name for path in REQUIREMENTS] == ["bench.txt", "dev.txt", "run.txt", "uv.txt"]


@pytest.mark.parametrize("path", REQUIREMENTS, ids=lambda path: path.stem)
def test_every_requirement_is_one_version_with_its_hashes(path: Path) -> None:
    loose = [
        requirement
        for requirement, *hashes in map(options_of, requirements_in(path.read_text()))
        if not PINNED.fullmatch(requirement) or not hashes or not all(map(HASH.fullmatch, hashes))
    ]

    assert loose == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("rich>=15 \\\n    --hash=sha256:" + "0" * 64, id="a range"),
        pytest.param("rich==15.* \\\n    --hash=sha256:" + "0" * 64, id="a wildcard"),
        pytest.param("rich==15.0.0", id="no hash"),
        pytest.param("rich==15.0.0 \\\n    --hash=md5:" + "0" * 32, id="a weak hash"),
        pytest.param("rich @ git+ssh://somewhere/rich \\\n    --hash=sha256:" + "0" * 64, id="an address"),
        pytest.param("-e ../rich", id="a folder"),
    ],
)
def test_anything_looser_would_be_noticed(text: str) -> None:
    ((requirement, *hashes),) = map(options_of, requirements_in(text))

    assert not (PINNED.fullmatch(requirement) and hashes and all(map(HASH.fullmatch, hashes)))


@pytest.mark.parametrize("name", [*(f"requirements/{path.name}" for path in REQUIREMENTS), "Makefile"])
def test_no_address_of_a_registry_is_written_down(name: str) -> None:
    assert ADDRESS.findall((ROOT / name).read_text()) == []


def test_whatever_runs_is_also_what_was_tested() -> None:
    run, dev = (
        {options_of(one)[0] for one in requirements_in(text("requirements", f"{name}.txt"))} for name in ("run", "dev")
    )

    assert run - dev == set()


@pytest.mark.parametrize("place", ["Makefile", ".ci/run"])
def test_nothing_is_installed_without_its_hash(place: str) -> None:
    installs = [line.strip() for line in text(place).splitlines() if re.search(r"(pip3?|\(PIP\)|\(UV\)) install", line)]
    # The project itself, whose source is right here, comes without dependencies and without the network.
    from_here = "--offline --no-deps --no-build-isolation -e ."

    assert [line for line in installs if "--require-hashes" not in line and not line.endswith(from_here)] == []
    assert len(installs) == (5 if place == "Makefile" else 0)


def text(*place: str) -> str:
    return ROOT.joinpath(*place).read_text()


def requirements_in(text: str) -> list[str]:
    """One each, its continued lines joined, comments gone."""
    lines = (line for line in text.replace("\\\n", " ").splitlines() if line.strip())
    return [line.partition("#")[0].strip() for line in lines if not line.strip().startswith("#")]


def options_of(requirement: str) -> list[str]:
    """What is required, then each option after it."""
    return [part.strip() for part in re.split(r"\s(?=--)", requirement)]
