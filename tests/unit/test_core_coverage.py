"""A line of the core that no test takes fails the run; that is seen where only some of its tests run."""

import os
import subprocess
import sys
from pathlib import Path

from tests.core_coverage import ROOT, WHERE


def counted(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "--core", "-p", "no:cacheprovider", *arguments]
    environment[WHERE] = str(tmp_path / "counted")
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=200)


def test_lines_that_none_takes_fail_a_run_of_which_every_test_passes(tmp_path: Path) -> None:
    ran = counted(tmp_path, "tests/unit/test_measuring_time.py")

    assert ran.returncode == 1
    assert " passed" in ran.stdout
    assert " failed" not in ran.stdout
    assert "src/domain/payment.py" in ran.stdout
    assert "src/domain/duration.py" not in ran.stdout
