"""Keeps what is for operators away from everybody else: figures, the API's description, and the console where asked.

Every address on the way must lie in the operators' networks: whoever calls, and whoever a proxy says that it calls for.
No proxy need be trusted for that, since a lie can only shut the door. Who is outside finds what is at any address where
there is nothing.
"""

import ipaddress
import re
from collections.abc import Iterator, Sequence
from typing import Final

from litestar.types import ASGIApp, Receive, Scope, Send

from entrypoints.http.addresses import Network

PRIVATE: Final[Sequence[Network]] = tuple(
    ipaddress.ip_network(one)
    for one in ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7", "fe80::/10")
)
FIGURES_AND_DESCRIPTION: Final = ("/metrics", "/schema")
CONSOLE: Final = "/console"
FOR_BUYERS: Final = ("/schema/reference.css",)
"""Which the pages after a payment look like."""
NOWHERE: Final = "/backstage"
_FOR: Final = re.compile(r"""\bfor=("?\[[^\]";,]{0,64}\]|"?[^";,:]*)""", re.IGNORECASE)
"""Whom a `Forwarded` names, without the port: https://www.rfc-editor.org/rfc/rfc7239#section-4
How far an address may be from its bracket is bounded, else a header of many that end nowhere is read over and over."""


class Backstage:
    """Wraps the whole application. The console has a door of its own, so that it is kept apart only where `networks`
    are named; figures and the description stay within private networks anyway."""

    def __init__(self, app: ASGIApp, networks: Sequence[Network]) -> None:
        self.app = app
        self.networks = networks or PRIVATE
        self.kept = (*FIGURES_AND_DESCRIPTION, CONSOLE) if networks else FIGURES_AND_DESCRIPTION

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        http = scope["type"] == "http"  # type: ignore[comparison-overlap]  # the lifespan is none
        if http and self._keeps(scope["path"]) and not self._from_inside(scope):
            scope["path"], scope["raw_path"] = NOWHERE, NOWHERE.encode()
        await self.app(scope, receive, send)

    def _keeps(self, path: str) -> bool:
        at = "/" + path.strip("/")
        return at not in FOR_BUYERS and any(at == kept or at.startswith(f"{kept}/") for kept in self.kept)

    def _from_inside(self, scope: Scope) -> bool:
        return all(self._is_inside(address) for address in _addresses(scope))

    def _is_inside(self, text: str) -> bool:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in network for network in self.networks)


def _addresses(scope: Scope) -> Iterator[str]:
    """Of all on the way, as far as anybody tells of them."""
    client = scope.get("client")
    yield client[0] if client else ""
    for name, value in scope["headers"]:
        if name == b"x-forwarded-for":
            yield from (hop.strip() for hop in value.decode("latin-1").split(","))
        elif name == b"x-real-ip":
            yield value.decode("latin-1").strip()
        elif name == b"forwarded":
            yield from (hop.strip(' "[]') for hop in _FOR.findall(value.decode("latin-1")))
