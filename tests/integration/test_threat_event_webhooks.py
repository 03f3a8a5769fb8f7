"""Events are pushed to no address that leads back into somebody's own network, however it is dressed up."""

import datetime as dt
import ipaddress
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from adapters.webhooks import addresses
from adapters.webhooks.addresses import AddressRefused, is_public, resolve
from adapters.webhooks.receiver import HttpReceiver, id_of
from application.ports.feed import NumberedNotice
from application.ports.pushes import Endpoint, Gone, NotTaken, PushOutcome, Taken
from domain.notices import Notice, NoticeType
from tests.builders import ALICE
from tests.integration.endpoints import EndpointServer
from tests.memory import NOON

KEY = b"k" * 32
EVENT = NumberedNotice(
    sequence=7,
    notice=Notice(type=NoticeType.PAYMENT_SETTLED, user_id=ALICE, at=NOON, data={"charge_id": "odd \0 \ud800 é"}),
)
OURS = HttpReceiver(private_allowed=True, whole_call_s=10)
PUBLIC_ONLY = HttpReceiver(private_allowed=False, whole_call_s=10)


@pytest.fixture
def server() -> Iterator[EndpointServer]:
    with EndpointServer() as running:
        yield running


def push(url: str, receiver: HttpReceiver = OURS) -> PushOutcome:
    return receiver.push(Endpoint(id="ep_1", url=url, secrets=(KEY,)), EVENT, dt.datetime.now(dt.UTC))


def leads_to(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> list[str]:
    """A name server that says something else each time it is asked; the names that it was asked for."""
    asked: list[str] = []
    really = socket.getaddrinfo

    def look_up(host: str, port: int, *more: Any, **named: Any) -> list[Any]:
        if host[-1].isdigit():  # an address already: nobody is asked for it
            return really(host, port, *more, **named)
        asked.append(host)
        found = answers[min(len(asked), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


@pytest.mark.threat(32)
@pytest.mark.parametrize(
    "address",
    [
        pytest.param("127.0.0.1", id="loopback"),
        pytest.param("127.1.2.3", id="loopback, elsewhere"),
        pytest.param("10.0.0.1", id="private"),
        pytest.param("172.16.0.1", id="private, 172"),
        pytest.param("192.168.1.1", id="private, 192"),
        pytest.param("169.254.169.254", id="a cloud's metadata"),
        pytest.param("100.64.0.1", id="shared by carriers"),
        pytest.param("100.100.100.200", id="another cloud's metadata"),
        pytest.param("0.0.0.0", id="this host"),
        pytest.param("224.0.0.1", id="multicast"),
        pytest.param("233.252.0.1", id="multicast over the world"),
        pytest.param("240.0.0.1", id="reserved"),
        pytest.param("255.255.255.255", id="broadcast"),
        pytest.param("192.0.2.1", id="for documents"),
        pytest.param("198.18.0.1", id="for benchmarks"),
        pytest.param("::1", id="loopback in IPv6"),
        pytest.param("::", id="this host in IPv6"),
        pytest.param("fe80::1%eth0", id="link-local in IPv6"),
        pytest.param("fd00:ec2::254", id="a cloud's metadata in IPv6"),
        pytest.param("fec0::1", id="site-local"),
        pytest.param("ff0e::1", id="multicast in IPv6"),
        pytest.param("::ffff:127.0.0.1", id="IPv4-mapped loopback"),
        pytest.param("::ffff:169.254.169.254", id="IPv4-mapped metadata"),
        pytest.param("::127.0.0.1", id="IPv4-compatible loopback"),
        pytest.param("2002:7f00:1::", id="6to4 loopback"),
        pytest.param("2001:0:4136:e378:8000:63bf:f5ff:fffe", id="Teredo, to 10.0.0.1"),
        pytest.param("64:ff9b::a9fe:a9fe", id="NAT64 metadata"),
        pytest.param("64:ff9b:1::808:808", id="a NAT64 of one's own"),
    ],
)
def test_no_address_but_a_public_one_may_be_called(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["93.184.215.14", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_a_public_address_may(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.threat(32)
@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        pytest.param("2130706433", id="as one number"),
        pytest.param("0x7f.1", id="in hexadecimal"),
        pytest.param("127.1", id="shortened"),
        pytest.param("0", id="zero"),
        pytest.param("[::1]", id="IPv6"),
        pytest.param("[::ffff:127.0.0.1]", id="IPv4-mapped"),
        pytest.param("[::ffff:7f00:1]", id="IPv4-mapped in hexadecimal"),
    ],
)
def test_nothing_reaches_a_server_on_this_machine_by_any_of_its_names(server: EndpointServer, host: str) -> None:
    for scheme in ("http", "https"):
        refused = push(f"{scheme}://{host}:{server.port}/hooks", PUBLIC_ONLY)
        assert isinstance(refused, NotTaken)
        assert refused.out_of_reach
    assert server.got == []
    assert isinstance(push(server.url), Taken), "the server itself would have answered"


@pytest.mark.threat(32)
@pytest.mark.parametrize(
    "answers",
    [
        pytest.param(["127.0.0.1"], id="a name of one's own for this machine"),
        pytest.param(["8.8.8.8", "127.0.0.1"], id="a public and a private address at once"),
        pytest.param(["169.254.169.254"], id="metadata"),
    ],
)
def test_a_name_that_leads_to_a_private_address_is_not_called(
    server: EndpointServer, monkeypatch: pytest.MonkeyPatch, answers: list[str]
) -> None:
    leads_to(monkeypatch, answers)
    refused = push(f"http://harmless.example:{server.port}/hooks", PUBLIC_ONLY)
    assert refused == NotTaken(problem="its host leads to an address that is not public", out_of_reach=True)
    assert server.got == []


@pytest.mark.threat(32)
def test_a_name_that_changes_between_the_look_and_the_call_is_looked_up_once(
    server: EndpointServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was checked as 192.0.2.1, say, so that is what is called, and not what it leads to a moment later."""
    checked: list[str] = []

    def as_if_public(address: addresses.Address) -> bool:
        checked.append(str(address))
        return True

    monkeypatch.setattr(addresses, "is_public", as_if_public)
    asked = leads_to(monkeypatch, ["192.0.2.1"], ["127.0.0.1"])
    impatient = HttpReceiver(private_allowed=False, whole_call_s=0.3)
    assert isinstance(push(f"http://rebinding.example:{server.port}/hooks", impatient), NotTaken)
    assert (asked, checked) == (["rebinding.example"], ["192.0.2.1"])
    assert server.got == []


@pytest.mark.threat(32)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(server: EndpointServer, status: int) -> None:
    with EndpointServer() as elsewhere:
        server.answers.append((status, {"Location": elsewhere.url}))
        assert push(server.url) == NotTaken(problem=f"answered {status}", out_of_reach=False)
        assert elsewhere.got == []


def test_every_address_of_a_name_is_tried_until_one_answers(
    server: EndpointServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    leads_to(monkeypatch, ["127.0.0.2", "127.0.0.1"])
    assert isinstance(push(f"http://two.example:{server.port}/hooks?a=b"), Taken)
    (got,) = server.got
    assert (got.path, got.headers["host"]) == ("/hooks?a=b", f"two.example:{server.port}")


def test_a_name_that_nobody_knows_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    leads_to(monkeypatch, [])
    assert push("http://nowhere.example/") == NotTaken(problem="no answer (OSError)", out_of_reach=True)
    monkeypatch.undo()
    with pytest.raises(OSError, match="no name"):
        resolve("a" * 70 + ".example", 80, private_allowed=True)
    with pytest.raises(AddressRefused):
        resolve("localhost", 80, private_allowed=False)


# What the endpoint says -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "headers", "outcome"),
    [
        (200, {}, Taken()),
        (299, {}, Taken()),
        (400, {}, NotTaken(problem="answered 400", out_of_reach=False)),
        (500, {}, NotTaken(problem="answered 500", out_of_reach=False)),
        (410, {}, Gone(problem="answered 410: it wants no more")),
        (
            429,
            {"Retry-After": "120"},
            NotTaken(problem="answered 429", out_of_reach=True, after=dt.timedelta(seconds=120)),
        ),
        (503, {"Retry-After": "soon"}, NotTaken(problem="answered 503", out_of_reach=True)),
        (
            503,
            {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"},
            NotTaken(problem="answered 503", out_of_reach=True, after=dt.timedelta(0)),
        ),
        (
            503,
            {"Retry-After": "Wed, 21 Oct 2099 07:28:00 -0000"},
            NotTaken(problem="answered 503", out_of_reach=True, after=dt.timedelta(days=1)),
        ),
    ],
)
def test_what_it_answers_decides(
    server: EndpointServer, status: int, headers: dict[str, str], outcome: PushOutcome
) -> None:
    server.answers.append((status, headers))
    assert push(server.url) == outcome
    assert server.got[0].headers["webhook-id"] == id_of(EVENT) == "evt_7"


def trickle(handler: BaseHTTPRequestHandler) -> None:
    with suppress(OSError):
        for _ in range(200):
            handler.wfile.write(b"H")
            time.sleep(0.05)


def flood(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    with suppress(OSError):
        for _ in range(10_000):
            handler.wfile.write(b"x" * 65536)


def nonsense(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"\0\0 no HTTP\r\n\r\n")


def silence(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(2)


@pytest.mark.parametrize("act", [trickle, silence])
def test_who_takes_too_long_is_left(server: EndpointServer, act: Any) -> None:
    server.answers.append(act)
    begun = time.monotonic()
    assert push(server.url, HttpReceiver(private_allowed=True, whole_call_s=0.5)) == NotTaken(
        problem="no answer within 0.5 s", out_of_reach=True
    )
    assert time.monotonic() - begun < 8


def test_who_says_too_much_is_not_listened_to(server: EndpointServer) -> None:
    server.answers.append(flood)
    begun = time.monotonic()
    assert isinstance(push(server.url), Taken)
    assert time.monotonic() - begun < 8


def test_who_speaks_no_http_has_not_taken_it(server: EndpointServer) -> None:
    server.answers.append(nonsense)
    assert push(server.url) == NotTaken(problem="no answer (RemoteProtocolError)", out_of_reach=True)


# TLS ------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its own authority, for the name localhost; the key is in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def test_a_certificate_must_be_for_the_name_whatever_address_was_called(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    asked_for: list[str | None] = []
    tls.sni_callback = lambda _socket, name, _context: asked_for.append(name)
    with EndpointServer(tls=tls) as server:
        assert isinstance(push(f"https://localhost:{server.port}/"), NotTaken), "nobody vouches for it"
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        trusting = HttpReceiver(private_allowed=True)
        assert isinstance(push(f"https://localhost:{server.port}/", trusting), Taken)
        assert asked_for == ["localhost"] * 2
        assert push(f"https://127.0.0.1:{server.port}/", trusting) == NotTaken(
            problem="no answer (ConnectError)", out_of_reach=True
        )
        assert len(server.got) == 1
