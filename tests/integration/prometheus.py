"""A real Prometheus of a test's own, which asks each second and has our rules; Debian's package has it."""

import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.integration.sandbox_server import Json
from tests.integration.service import LOOPBACK, ROOT, free_port

WATCHING = ROOT / "deploy" / "prometheus"
RULES = WATCHING / "tollgram.rules.yml"
EACH_SECOND = {"scrape_interval": "1s", "evaluation_interval": "1s"}
needs_prometheus = pytest.mark.skipif(
    not (shutil.which("promtool") and shutil.which("prometheus")),
    reason="no promtool on this machine (Debian's package prometheus has it)",
)


@dataclass(frozen=True, slots=True)
class Prometheus:
    url: str
    folder: Path
    process: "subprocess.Popen[bytes]"

    def asked(self, query: str) -> list[Any]:
        """What it answers; nothing while it starts."""
        return list(self._told("query", {"query": query}).get("result", ()))

    def firing(self) -> Mapping[str, Sequence[Json]]:
        """Alerts by their names."""
        found: dict[str, list[Json]] = {}
        for alert in self._told("alerts", {}).get("alerts", ()):
            if alert["state"] == "firing":
                found.setdefault(alert["labels"]["alertname"], []).append(alert)
        return found

    def watch(self, targets: Sequence[Json], *, job: str = "tollgram") -> None:
        """Ask these from now on."""
        _configure(self.folder, targets, job)
        self.process.send_signal(signal.SIGHUP)

    def _told(self, what: str, given: Mapping[str, str]) -> Json:
        try:
            answer = LOOPBACK.get(f"{self.url}/api/v1/{what}", params=given)
        except httpx.TransportError:
            return {}
        return dict(answer.json()["data"]) if answer.status_code == 200 else {}


@contextmanager
def running_prometheus(
    folder: Path, targets: Sequence[Json], *, job: str = "tollgram", rules: str | None = None
) -> Iterator[Prometheus]:
    """With our own configuration, but for the targets; `rules` stand in place of ours."""
    (folder / RULES.name).write_text(RULES.read_text() if rules is None else rules)
    _configure(folder, targets, job)
    port = free_port()
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        yield Prometheus(f"http://127.0.0.1:{port}", folder, process)
    finally:
        process.terminate()
        process.wait(60)


def _configure(folder: Path, targets: Sequence[Json], job: str) -> None:
    configured = yaml.safe_load((WATCHING / "prometheus.yml").read_text())
    configured["global"] = EACH_SECOND
    configured["scrape_configs"][0] |= {"job_name": job, "static_configs": list(targets)}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configured))
