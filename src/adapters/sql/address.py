"""A database's address, also one that names several servers of which only one can be written."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from sqlalchemy import URL
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

DEFAULT_PORT: Final = "5432"
WRITABLE: Final = "read-write"
_SEVERAL: Final = re.compile(
    r"(?P<before>postgres(?:ql)?(?:\+\w+)?://(?:[^@/?#]*@)?)(?P<servers>[^@/?#]*,[^@/?#]*)(?P<after>[/?#].*)?", re.ASCII
)
_SERVER: Final = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:]+)(?::(?P<port>[0-9]{1,5}))?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """`several` is what libpq needs beside the URL to find, among several servers, the one that can be written."""

    url: URL
    several: Mapping[str, str]

    @classmethod
    def read(cls, database_url: str) -> Self:
        """Raises ValueError, without repeating the address, which may hold a password."""
        try:
            if (found := _SEVERAL.fullmatch(database_url)) is None:
                return cls(url=make_url(database_url), several={})
            url = make_url(f"{found['before']}{found['after'] or ''}")
        except (ArgumentError, ValueError):
            raise ValueError("a database's address is sqlite:///path or postgresql://user@host/name") from None
        servers = [_SERVER.fullmatch(server) for server in found["servers"].split(",")]
        if not all(servers):
            raise ValueError("several servers are written host:port,host:port")
        known = [server for server in servers if server]
        several = {
            "host": ",".join(server["host"].strip("[]") for server in known),
            "port": ",".join(server["port"] or DEFAULT_PORT for server in known),
        }
        # A standby answers, too; whoever names several means the one that takes their writes.
        if "target_session_attrs" not in url.query:
            several["target_session_attrs"] = WRITABLE
        return cls(url=url, several=several)

    @property
    def place(self) -> str:
        """Where it is, without user and password."""
        if self.url.get_backend_name() == "sqlite":
            return str(self.url.database)
        hosts = (self.several.get("host") or self.url.host or "localhost").split(",")
        ports = (self.several.get("port") or str(self.url.port or DEFAULT_PORT)).split(",")
        return f"{','.join(f'{host}:{port}' for host, port in zip(hosts, ports, strict=True))}/{self.url.database}"
