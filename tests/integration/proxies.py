"""nginx and Caddy in front of a service, as `deploy/` configures them; no more than addresses is changed."""

import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.integration.service import ROOT, Service, eventually, free_port

DEPLOY: Final = ROOT / "deploy"
PROXIES: Final = ("nginx", "caddy")
_CONSOLE: Final = {
    "nginx": re.compile(r"^    # location /console \{\n(?:    # .*\n)+", re.MULTILINE),
    "caddy": re.compile(r"^\t# @console \{\n(?:\t# .*\n)+", re.MULTILINE),
}


@contextmanager
def in_front_of(
    service: Service, program: str, folder: Path, *, console_for: str | None = None
) -> Iterator[httpx.Client]:
    """Whoever calls through it. `console_for`: the network for which the console's lines are put in force."""
    if not shutil.which(program):
        pytest.skip(f"no {program} on this machine")
    port, upstream = free_port(), service.url.removeprefix("http://")
    given = (DEPLOY / {"nginx": "nginx.conf", "caddy": "Caddyfile"}[program]).read_text()
    if console_for is not None:
        given, found = _CONSOLE[program].subn(lambda lines: lines[0].replace("# ", ""), given)
        assert (found, given.count("192.0.2.0/24")) == (1, 1)
        given = given.replace("192.0.2.0/24", console_for)
    if program == "nginx":
        command, scheme = _nginx(folder, given, upstream, port), "https"
    else:
        command, scheme = _caddy(folder, given, upstream, port), "http"
    homes = dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"), str(folder))
    with (folder / "proxy.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **homes})
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    try:
        with httpx.Client(base_url=f"{scheme}://127.0.0.1:{port}", verify=trusting, trust_env=False) as client:
            eventually(lambda: _answers(client))
            yield client
    finally:
        process.terminate()
        process.wait(60)


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/").status_code == 404
    except httpx.TransportError:
        return False


def _nginx(folder: Path, given: str, upstream: str, port: int) -> list[str]:
    for name, ours in {
        "127.0.0.1:8000": upstream,
        "listen 80;": f"listen 127.0.0.1:{free_port()};",
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        "/etc/ssl/shop.example.org": str(_certificate(folder)),
    }.items():
        assert name in given
        given = given.replace(name, ours)
    (folder / "tollgram.conf").write_text(given)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root; " if os.geteuid() == 0 else ""  # so that it may write into the test's own folder
    (folder / "whole.conf").write_text(
        f"{user}daemon off; worker_processes 1; pid {folder}/pid; error_log stderr; events {{}}\n"
        f"http {{ access_log off; {temporary} include {folder}/tollgram.conf; }}\n"
    )
    command = ["nginx", "-e", "stderr", "-p", str(folder), "-c", str(folder / "whole.conf")]
    checked = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert "test is successful" in checked.stderr, checked.stderr
    return command


def _caddy(folder: Path, given: str, upstream: str, port: int) -> list[str]:
    assert "\nshop.example.org {" in given
    given = given.replace("127.0.0.1:8000", upstream)
    given = given.replace("\nshop.example.org {", f"\nhttp://127.0.0.1:{port} {{\n\tbind 127.0.0.1")
    (folder / "Caddyfile").write_text("{\n\tadmin off\n}\n" + given)
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


def _certificate(folder: Path) -> Path:
    """The folder of a certificate that nobody vouches for: that folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "shop.example.org")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / "privkey.pem").write_bytes(key.private_bytes(pem, form, plain))
    (folder / "fullchain.pem").write_bytes(made.public_bytes(pem))
    return folder
