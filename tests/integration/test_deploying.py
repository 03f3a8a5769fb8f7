"""The files for going live are ones that the programs they are for take."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.service import ROOT

DEPLOY = ROOT / "deploy"
MOST_EXPOSED = 20
"""Of 100, as systemd itself counts; a service without any fence has 96."""


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze on this machine (Debian: systemd)")
def test_systemd_takes_the_unit_and_finds_it_fenced_in(tmp_path: Path) -> None:
    unit = tmp_path / "tollgram.service"
    command = str(Path(sys.executable).with_name("tollgram"))
    unit.write_text((DEPLOY / "tollgram.service").read_text().replace("/opt/tollgram/.venv/bin/tollgram", command))

    def analyze(*arguments: str) -> str:
        done = subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stderr

    assert analyze("verify", "--man=no", str(unit)) == ""
    analyze("security", "--offline=true", "--no-pager", f"--threshold={MOST_EXPOSED}", str(unit))


def test_what_is_copied_into_the_image_is_enough_to_run(tmp_path: Path) -> None:
    copied = [
        line.split()[1:-1]
        for line in (DEPLOY / "Containerfile").read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
    ]
    for path in (Path(name) for names in copied for name in names):
        assert (ROOT / path).exists(), path
    for name in ("src", "migrations"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": f"{tmp_path}/src:{tmp_path}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "DATABASE_URL": f"sqlite:///{tmp_path}/state/tollgram.db",
    }
    (tmp_path / "state").mkdir()
    command, folder = [str(DEPLOY / "tollgram"), "migrate"], tmp_path / "state"
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "state" / "tollgram.db").exists()


def test_what_the_image_leaves_out_holds_no_secret() -> None:
    kept = (ROOT / ".dockerignore").read_text().split()

    assert kept[0] == "*"
    assert not {"!.env", "!var", "!.git"} & set(kept)
