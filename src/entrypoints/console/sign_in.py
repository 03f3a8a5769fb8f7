"""Coming in and leaving. Who tries too often has to wait, whether the name is known or not."""

import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from ipaddress import IPv6Address, ip_network
from typing import Final

import structlog
from litestar import Response, get, post

from adapters.passwords import PasswordHash
from adapters.sql.console import SqlConsole
from application.ports.surroundings import Clock
from domain.errors import Forbidden, Refusal
from entrypoints.console.desk import Console, go
from entrypoints.console.forms import AnyRequest, Form, ours
from entrypoints.console.pages import Page
from entrypoints.console.visitors import form_token
from entrypoints.console_users import ConsoleUser
from entrypoints.http.addresses import Address, Network, caller_address
from entrypoints.http.handed import Handed

WINDOW: Final = timedelta(minutes=15)
MOST_OF_ONE: Final = 5
"""Tries of one name from one address within the window."""
MOST_FROM: Final = 20
"""Of any names from one address; an IPv6 address counts as its /64, which one person has."""
MOST_OF_NAME: Final = 50
"""Of one name from anywhere: so many that nobody is kept out by somebody else's guessing at once."""
LONGEST_NAME: Final = 64
_NOBODY: Final = PasswordHash.read(f"scrypt:15:8:3:{'A' * 22}:{'A' * 43}")
"""Tried where the name is unknown, so that the time it takes tells nothing."""

log = structlog.get_logger("tollgram")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wicket:
    """Where names and passwords are looked at."""

    kept: SqlConsole
    users: Mapping[str, ConsoleUser]
    clock: Clock
    trusted_proxies: Sequence[Network] = ()

    def admit(self, request: AnyRequest, name: str, password: str) -> ConsoleUser | None:
        """The user of that name and password. Raises TooManyTries."""
        peer = request.client.host if request.client else None
        address = caller_address(peer, ",".join(request.headers.getall("x-forwarded-for", [])), self.trusted_proxies)
        whose = [_hash(f"{name}|{_place(address)}"), _hash(f"|{_place(address)}"), _hash(f"{name}|")]
        tries = self.kept.tried(whose, self.clock.now(), within=WINDOW)
        if any(made > most for made, most in zip(tries, (MOST_OF_ONE, MOST_FROM, MOST_OF_NAME), strict=True)):
            log.warning("console.throttled", address=str(address))
            raise TooManyTries
        user = self.users.get(name)
        fits = (user.password if user else _NOBODY).fits(password)
        if user is None or not fits:
            log.warning("console.refused", address=str(address))
            return None
        self.kept.forgive(whose[:1])
        log.info("console.signed_in", operator=user.name, address=str(address))
        return user


class TooManyTries(Refusal):
    code = "rate_limited"


@get("/login")
async def sign_in_page(request: AnyRequest, console: Handed[Console]) -> Response[bytes]:
    wanted = ours(request.query_params.get("next", ""))

    def page() -> Response[bytes]:
        return go(wanted) if console.visitor(request) else _page(console, request, wanted)

    return await console.run(page)


@post("/login", status_code=200)
async def sign_in(request: AnyRequest, console: Handed[Console], wicket: Handed[Wicket]) -> Response[bytes]:
    try:
        form = await console.form(request)
    except Refusal as refusal:
        return console.refused(refusal)
    return await console.run(lambda: _sign_in(request, form, console, wicket))


def _sign_in(request: AnyRequest, form: Form, console: Console, wicket: Wicket) -> Response[bytes]:
    shown = request.cookies.get(_guest(console), "")
    wanted = ours(form.fields.get("next", ""))
    if not shown or not hmac.compare_digest(form.token.encode(), form_token(shown).encode()):
        return _page(
            console, request, wanted, "The page was too old, or cookies are switched off. Try again.", status=403
        )
    name = form.fields.get("name", "").strip()[:LONGEST_NAME]
    try:
        user = wicket.admit(request, name, form.fields.get("password", ""))
    except TooManyTries:
        minutes = WINDOW // timedelta(minutes=1)
        answer = _page(
            console, request, wanted, f"Too many tries. Wait {minutes} minutes, then try again.", status=429, name=name
        )
        answer.headers["Retry-After"] = str(int(WINDOW.total_seconds()))
        return answer
    if user is None:
        return _page(console, request, wanted, "The name or the password is wrong.", status=401, name=name)
    token = console.sessions.open(user)
    return go(wanted, cookies=[console.cookie(console.cookie_name, token), console.cookie(_guest(console), "")])


@post("/logout", status_code=200)
async def sign_out(request: AnyRequest, console: Handed[Console]) -> Response[bytes]:
    try:
        form = await console.form(request)
    except Refusal as refusal:
        return console.refused(refusal)

    def leave() -> Response[bytes]:
        if visitor := console.visitor(request):
            if not hmac.compare_digest(form.token.encode(), visitor.form_token.encode()):
                return console.refused(Forbidden("The form was not made for you, so nothing was changed."), visitor)
            console.sessions.end(visitor)
            log.info("console.signed_out", operator=visitor.name)
        return go("/console/login", cookies=[console.cookie(console.cookie_name, "")])

    return await console.run(leave)


ROUTES = (sign_in_page, sign_in, sign_out)


def _page(
    console: Console, request: AnyRequest, wanted: str, problem: str = "", *, status: int = 200, name: str = ""
) -> Response[bytes]:
    guest = request.cookies.get(_guest(console)) or secrets.token_urlsafe(32)
    shows = {"next": wanted, "problem": problem, "name": name, "token": form_token(guest)}
    answer = console.pages.response(Page("login.html", shows, status))
    answer.cookies.append(console.cookie(_guest(console), guest))
    return answer


def _guest(console: Console) -> str:
    return f"{console.cookie_name}-guest"


def _place(address: Address | None) -> str:
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False))
    return str(address)


def _hash(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
