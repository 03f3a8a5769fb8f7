"""Where a request comes from, when only some networks may call."""

import ipaddress
from collections.abc import Sequence

from domain.errors import Forbidden
from entrypoints.http.headers import Arriving, all_of

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def caller_address(peer: str | None, forwarded_for: str, trusted: Sequence[Network]) -> Address | None:
    """The address nearest to us that is no trusted proxy; what any other sender says of itself is not believed."""
    hops = [*(hop.strip() for hop in forwarded_for.split(",") if hop.strip()), peer or ""]
    address: Address | None = None
    for hop in reversed(hops):
        try:
            address = ipaddress.ip_address(hop)
        except ValueError:
            return None
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        if not any(address in network for network in trusted):
            return address
    return address


def require_network(request: Arriving, allowed: Sequence[Network], trusted: Sequence[Network]) -> None:
    """Raises Forbidden where networks are named and the request comes from none of them."""
    if not allowed:
        return
    client = request.scope.get("client")
    peer = client[0] if client else None
    address = caller_address(peer, ",".join(all_of(request, b"x-forwarded-for")), trusted)
    if address is None or not any(address in network for network in allowed):
        raise Forbidden("This address is not called from there.")
