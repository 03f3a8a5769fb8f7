"""The files for going live are ones that the programs they are for take."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path

import pytest

from tests.integration.service import ROOT

DEPLOY = ROOT / "deploy"
OPERATING = (ROOT / "docs" / "operate.md").read_text()
MOST_EXPOSED = 20
"""Of 100, as systemd itself counts; a service without any fence has 96."""


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze on this machine (Debian: systemd)")
def test_systemd_takes_the_units_and_finds_them_fenced_in(tmp_path: Path) -> None:
    command = str(Path(sys.executable).with_name("tollgram"))
    units = [tmp_path / name for name in ("tollgram.service", "tollgram-backup.service", "tollgram-backup.timer")]
    for unit in units:
        unit.write_text((DEPLOY / unit.name).read_text().replace("/opt/tollgram/.venv/bin/tollgram", command))

    def analyze(*arguments: str) -> str:
        done = subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stderr

    assert analyze("verify", "--man=no", *map(str, units)) == ""
    analyze("security", "--offline=true", "--no-pager", f"--threshold={MOST_EXPOSED}", str(units[0]))


def test_a_command_run_as_the_documents_say_has_the_settings_that_the_unit_has() -> None:
    unit = [
        (name, value)
        for name, _, value in (line.partition("=") for line in (DEPLOY / "tollgram.service").read_text().splitlines())
    ]
    decides = {"User", "EnvironmentFile", "Environment", "WorkingDirectory", "UMask"}
    (command,) = re.findall(r"^systemd-run .*tollgram doctor$", OPERATING, re.MULTILINE)
    typed = shlex.split(command)
    given = [("User", one.removeprefix("--uid=")) for one in typed if one.startswith("--uid=")]
    for before, one in pairwise(typed):
        if before == "-p":
            name, _, value = one.partition("=")
            given.append((name, value))

    assert sorted(given) == sorted(pair for pair in unit if pair[0] in decides)
    assert ("ExecStart", f"{typed[-2]} serve --host 127.0.0.1 --port 8000") in unit
    settings = dict(given)["EnvironmentFile"]
    (written,) = re.findall(rf"^printf '%s\\n' (.*) >>{settings}$", OPERATING, re.MULTILINE)
    assert [one.partition("=")[0] for one in written.split()] == ["CATALOG_PATH", "DATABASE_URL"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What the Containerfile copies, and the libraries: not Tollgram as something installed."""

    folder: Path
    environment: Mapping[str, str]

    def run(self, *command: str) -> str:
        state = self.folder / "state"
        done = subprocess.run(
            command, cwd=state, env=dict(self.environment), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def image(tmp_path: Path) -> Image:
    copied = [
        line.split()[1:-1]
        for line in (DEPLOY / "Containerfile").read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
    ]
    for path in (Path(name) for names in copied for name in names):
        assert (ROOT / path).exists(), path
    for name in ("src", "migrations"):
        assert name in chain.from_iterable(copied)
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for name in ("libraries", ".venv/bin", "state", "backups"):
        (tmp_path / name).mkdir(parents=True)
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if not path.name.startswith(("tollgram", "_tollgram")):
            (tmp_path / "libraries" / path.name).symlink_to(path)
    python = tmp_path / ".venv" / "bin" / "python"
    shutil.copy(DEPLOY / "tollgram", python.parent)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "$@"\n')
    python.chmod(0o755)
    environment = {
        "PATH": f"{python.parent}:{os.environ['PATH']}",
        "PYTHONPATH": f"{tmp_path}/libraries",
        "PYTHONDONTWRITEBYTECODE": "1",
        "DATABASE_URL": f"sqlite:///{tmp_path}/state/tollgram.db",
    }
    return Image(folder=tmp_path, environment=environment)


def test_what_is_copied_into_the_image_is_enough_to_run(image: Image) -> None:
    image.run("tollgram", "migrate")

    assert (image.folder / "state" / "tollgram.db").exists()


def test_the_image_knows_its_version_though_nothing_of_it_is_installed(image: Image) -> None:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    with pytest.raises(AssertionError, match="PackageNotFoundError"):
        image.run("python", "-c", "from importlib.metadata import version; version('tollgram')")
    assert image.run("tollgram", "--version") == f"tollgram {told}\n"
    path = f"import sys; sys.path.insert(0, '{image.folder}/src')"
    described = f"{path}; from entrypoints.http.openapi import document; print(document()['info']['version'])"
    assert image.run("python", "-c", described) == f"{told}\n"


def test_the_timer_s_service_makes_a_backup(image: Image) -> None:
    image.run("tollgram", "migrate")
    (line,) = re.findall(r"^ExecStart=(.*)$", (DEPLOY / "tollgram-backup.service").read_text(), re.MULTILINE)
    ours = {
        "/opt/tollgram/": f"{image.folder}/",
        "/var/lib/tollgram-backups": f"{image.folder}/backups",
        "$$": "$",
        "%%": "%",
    }
    for name, here in ours.items():
        assert name in line
        line = line.replace(name, here)
    image.run(*shlex.split(line))

    (made,) = (image.folder / "backups").iterdir()
    assert made.name.startswith("tollgram-20")


def test_what_the_image_leaves_out_holds_no_secret() -> None:
    kept = (ROOT / ".dockerignore").read_text().split()

    assert kept[0] == "*"
    assert not {"!.env", "!var", "!.git"} & set(kept)
