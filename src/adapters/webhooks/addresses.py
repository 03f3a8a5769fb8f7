"""Which addresses may be called: the public internet's, and none that leads back into somebody's own network."""

import ipaddress
import socket
from collections.abc import Sequence
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_LOCAL_NAT64: Final = ipaddress.IPv6Network("64:ff9b:1::/48")
_LAST_32_BITS: Final = 0xFFFFFFFF


class AddressRefused(Exception):
    """A host leads to an address that may not be called; `str()` says so."""


def is_public(address: Address) -> bool:
    """Neither private, loopback, link-local (where clouds keep their metadata), shared, reserved nor multicast; also
    not by way of an IPv6 address that stands for an IPv4 one."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = _inside(address)
        if inner is not None:
            return is_public(inner)
        if address.is_site_local or address in _LOCAL_NAT64:
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def resolve(host: str, port: int, *, private_allowed: bool) -> Sequence[str]:
    """The addresses of that host, looked up once: who calls one of them calls what was checked.

    Raises AddressRefused where any of them is not public: a name that has both is made to get in. Raises OSError where
    there is none.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise OSError("no name of a host") from None
    addresses = list(dict.fromkeys(str(place[0]) for _, _, _, _, place in found))
    if not private_allowed and not all(is_public(ipaddress.ip_address(address)) for address in addresses):
        raise AddressRefused("its host leads to an address that is not public")
    return addresses


def _inside(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & _LAST_32_BITS)
    return None
