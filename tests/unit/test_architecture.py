"""Dependencies point inward, the core needs nothing but Python, and names say what a thing is for.

The contracts themselves stand in pyproject.toml. Each is seen to hold, and to break where a bad import is planted.
"""

import ast
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src"
CLIENT = ROOT / "clients" / "python" / "src" / "tollgram_client"
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
CONTRACTS: Mapping[str, Mapping[str, Any]] = {contract["name"]: contract for contract in CONFIG["contracts"]}
FORBIDDEN_IN_THE_CORE: list[str] = CONTRACTS["The core is plain Python"]["forbidden_modules"]

PLANTS = [
    pytest.param(
        "Dependencies point inward",
        {"domain/planted.py": "import application"},
        ["domain.planted -> application"],
        id="the domain asks the use cases",
    ),
    pytest.param(
        "Dependencies point inward",
        {"application/planted.py": "import adapters"},
        ["application.planted -> adapters"],
        id="a use case asks an adapter",
    ),
    pytest.param(
        "Dependencies point inward",
        {"adapters/planted.py": "import entrypoints"},
        ["adapters.planted -> entrypoints"],
        id="an adapter asks an entrypoint",
    ),
    pytest.param(
        "The core is plain Python",
        {"domain/planted.py": "\n".join(f"import {module}" for module in FORBIDDEN_IN_THE_CORE)},
        [f"domain.planted -> {module}" for module in FORBIDDEN_IN_THE_CORE],
        id="the domain reaches for libraries, the clock and the network",
    ),
    pytest.param(
        "The core is plain Python",
        {"application/planted.py": "\n".join(f"import {module}" for module in FORBIDDEN_IN_THE_CORE)},
        [f"application.planted -> {module}" for module in FORBIDDEN_IN_THE_CORE],
        id="a use case does",
    ),
    pytest.param(
        "Only the composition root knows the container",
        {"adapters/planted.py": "import dependency_injector", "entrypoints/planted.py": "import dependency_injector"},
        ["adapters.planted -> dependency_injector", "entrypoints.planted -> dependency_injector"],
        id="an adapter and an entrypoint wire themselves",
    ),
    pytest.param(
        "The sandbox shares no code with what it tests",
        {"entrypoints/sandbox/planted.py": "import domain.money"},
        ["entrypoints.sandbox.planted -> domain.money"],
        id="the sandbox counts with our own money",
    ),
    pytest.param(
        "The client shares no code with the service",
        {"tollgram_client/planted.py": "import domain.money"},
        ["tollgram_client.planted -> domain.money"],
        id="the client counts with the service's money",
    ),
    pytest.param(
        "Adapters do not know each other",
        {
            "adapters/planted.py": "",
            "adapters/another/__init__.py": "",
            "adapters/another/part.py": "import adapters.planted",
        },
        ["adapters.another.part -> adapters.planted"],
        id="one adapter asks another",
    ),
]


def test_every_contract_holds() -> None:
    checked = lint_imports(SOURCE)

    assert checked.returncode == 0, checked.stdout
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken." in checked.stdout


@pytest.mark.parametrize(("contract", "planted", "told"), PLANTS)
def test_a_bad_import_breaks_its_contract(
    tmp_path: Path, contract: str, planted: Mapping[str, str], told: list[str]
) -> None:
    copy = tmp_path / "src"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(CLIENT, copy / CLIENT.name, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in planted.items():
        (copy / name).parent.mkdir(exist_ok=True)
        (copy / name).write_text(text + "\n")

    checked = lint_imports(copy)

    assert checked.returncode == 1, checked.stdout
    assert f"{contract} BROKEN" in checked.stdout
    assert [line for line in told if line not in checked.stdout] == []


def test_every_contract_was_seen_to_break() -> None:
    assert {plant.values[0] for plant in PLANTS} == set(CONTRACTS)


@pytest.mark.parametrize(
    ("room", "knows"),
    [
        pytest.param("domain", {"domain"}, id="domain"),
        pytest.param("application", {"application", "domain"}, id="use cases"),
    ],
)
def test_whatever_the_core_imports_is_python_s_own_or_the_core_s(room: str, knows: set[str]) -> None:
    allowed = sys.stdlib_module_names | knows

    strangers = {
        f"{path.relative_to(SOURCE)} imports {module}"
        for path in (SOURCE / room).rglob("*.py")
        for module in imported_by(path)
        if module.partition(".")[0] not in allowed
    }

    assert strangers == set()


def test_no_file_has_a_name_that_says_nothing() -> None:
    says_nothing = {"common", "utils", "util", "base", "core", "helpers", "helper", "manager", "misc"}

    named_so = [
        path
        for room in (SOURCE, ROOT / "tests", ROOT / "migrations", ROOT / "clients")
        for path in room.rglob("*")
        if path.stem.removeprefix("test_") in says_nothing and "__pycache__" not in path.parts
    ]

    assert named_so == []


def test_asking_for_help_loads_nothing_heavy() -> None:
    asked = subprocess.run(
        [str(Path(sys.executable).with_name("tollgram")), "--help"],
        env=os.environ | {"PYTHONPROFILEIMPORTTIME": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in asked.stderr.splitlines()}

    assert asked.returncode == 0, asked.stderr
    assert "Usage" in asked.stdout
    assert "entrypoints" in imported
    assert imported & {"litestar", "sqlalchemy", "telethon", "stripe"} == set()


def lint_imports(source: Path) -> subprocess.CompletedProcess[str]:
    """What import-linter says of the packages under `source`, by this repository's contracts."""
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", command, "--no-cache", "--no-logo", "--config", str(ROOT / "pyproject.toml")],
        cwd=source,
        env=os.environ | {"PYTHONPATH": f"{source}{os.pathsep}{CLIENT.parent}", "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def imported_by(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
