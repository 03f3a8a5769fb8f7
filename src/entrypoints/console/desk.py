"""Every page and every act of the console goes through here: who asks, may they, does it come from a page of ours."""

import asyncio
import hmac
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlsplit

import structlog
from litestar import Response
from litestar.datastructures import Cookie

from adapters.sql.console import KeptAct, SqlConsole
from application.ports.surroundings import Clock
from domain.errors import Forbidden, InvalidRequest, Refusal, Unavailable
from entrypoints.console.forms import AnyRequest, Form, from_our_own_page, ours, read_form
from entrypoints.console.pages import HEADERS, Page, Pages
from entrypoints.console.visitors import Sessions, Visitor
from entrypoints.http.problems import STATUS

Answer = TypeVar("Answer")

THREADS: Final = 4
"""Their own: however long a question of the console's takes, whoever asks what a user may do is answered at once."""
TURN_WITHIN_S: Final = 20.0
REPEAT_WAITS_S: Final = 12.0
"""As long as whoever pressed twice is kept waiting for what became of the first."""
LOOK_EVERY_S: Final = 0.1
SIGN_IN: Final = "/console/login"
FAULT: Final = "This did not work, and the fault is ours. Look below at what was carried out before you try again."

log = structlog.get_logger("tollgram")


@dataclass(frozen=True, slots=True)
class Done:
    """What became of an act, in a sentence, and the page that shows it."""

    said: str
    leads_to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """`waiting` counts the payments that wait for a person: the rail shows it on every page."""

    sessions: Sessions
    kept: SqlConsole
    clock: Clock
    pages: Pages
    public_url: str
    waiting: Callable[[], int]
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(THREADS))
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(THREADS, "console"))
    turn_within_s: float = TURN_WITHIN_S
    repeat_waits_s: float = REPEAT_WAITS_S

    async def show(self, request: AnyRequest, read: Callable[[Visitor], Page | Response[bytes]]) -> Response[bytes]:
        """The page that `read` makes, for whoever is signed in, or another answer that it has made already; a Refusal
        that it raises becomes a page, too."""
        return await self.run(lambda: self._show(request, read))

    async def act(self, request: AnyRequest, do: Callable[[Visitor, Form], Done]) -> Response[bytes]:
        """Carry out what a form asks for, once, and lead to a page that says what became of it.

        A form is carried out the first time that it is sent; whoever sends it again is told what became of the first.
        """
        try:
            form = await self.form(request)
        except Refusal as refusal:
            return self.refused(refusal)
        return await self.run(lambda: self._act(request, form, do))

    async def form(self, request: AnyRequest) -> Form:
        """What a page of ours sent. Raises Forbidden where it was another's, and whatever `read_form` raises."""
        if not from_our_own_page(request, self.public_url):
            raise Forbidden("This was not sent by a page of this console, so nothing was changed.")
        return await read_form(request)

    async def run(self, make: Callable[[], Response[bytes]]) -> Response[bytes]:
        """On one of the console's threads, each fault of which is told as a page."""
        try:
            async with asyncio.timeout(self.turn_within_s):
                await self.turns.acquire()
        except TimeoutError:
            return self.refused(Unavailable("Too much is being asked of the console. Nothing was changed; try again."))
        try:
            context = copy_context()  # so that log lines written on the thread bear the request's id
            return await asyncio.get_running_loop().run_in_executor(self.threads, context.run, self._made, make)
        finally:
            self.turns.release()

    def refused(self, refusal: Refusal, visitor: Visitor | None = None) -> Response[bytes]:
        """A page that says why not, and what to do."""
        status = STATUS.get(refusal.code, int(HTTPStatus.BAD_REQUEST))
        return self._page(Page("refused.html", {"status": status, "said": str(refusal)}, status), visitor)

    def visitor(self, request: AnyRequest) -> Visitor | None:
        return self.sessions.visitor(request.cookies.get(self.cookie_name))

    @property
    def secure(self) -> bool:
        """Whether cookies are for TLS alone; on this machine, without TLS, browsers would not keep such ones."""
        return urlsplit(self.public_url).scheme == "https"

    @property
    def cookie_name(self) -> str:
        return "__Host-tollgram" if self.secure else "tollgram-console"

    def cookie(self, name: str, value: str) -> Cookie:
        """Gone with the browser's session; an empty one goes at once."""
        return Cookie(
            key=name,
            value=value,
            path="/",
            secure=self.secure,
            httponly=True,
            samesite="lax",
            max_age=None if value else 0,
        )

    def close(self) -> None:
        """Let what was begun end."""
        self.threads.shutdown(wait=False, cancel_futures=True)

    def _made(self, make: Callable[[], Response[bytes]]) -> Response[bytes]:
        try:
            return make()
        except Refusal as refusal:
            if isinstance(refusal, Unavailable):
                log.error("request.failed", reason=refusal.code, problem=str(refusal), exc_info=refusal)
            return self.refused(refusal)
        except Exception as fault:
            log.error("request.failed", reason="unavailable", problem=type(fault).__name__, exc_info=fault)
            return self.refused(Unavailable("The fault is ours, and it is in the log. Nothing was changed."))

    def _show(self, request: AnyRequest, read: Callable[[Visitor], Page | Response[bytes]]) -> Response[bytes]:
        visitor = self.visitor(request)
        if visitor is None:
            return to_sign_in(request, ours(_asked(request)))
        try:
            page = read(visitor)
        except Refusal as refusal:
            if isinstance(refusal, Unavailable):
                raise
            return self.refused(refusal, visitor)
        if not isinstance(page, Page):
            return page
        did = request.query_params.get("did", "")
        notice = self.kept.act(did, operator=visitor.name) if did else None
        return self._page(page, visitor, notice, ours(_asked(request)))

    def _page(
        self, page: Page, visitor: Visitor | None, notice: KeptAct | None = None, here: str = "/console"
    ) -> Response[bytes]:
        waiting = self.waiting() if visitor else 0
        return self.pages.response(
            page, visitor=visitor, now=self.clock.now(), notice=notice, here=here, waiting=waiting
        )

    def _act(self, request: AnyRequest, form: Form, do: Callable[[Visitor, Form], Done]) -> Response[bytes]:
        visitor = self.visitor(request)
        if visitor is None:
            return to_sign_in(request, form.back)
        if not hmac.compare_digest(form.token.encode(), visitor.form_token.encode()):
            return self.refused(Forbidden("The form was not made for you, so nothing was changed."), visitor)
        if not visitor.may_act:
            return self.refused(Forbidden("You may look at everything here, and change nothing."), visitor)
        once, path = form.once, request.scope["path"]
        if not self.kept.begin_act(once, operator=visitor.name, path=path, now=self.clock.now()):
            return self._repeated(once, visitor)
        act = self._carried_out(visitor, form, do)
        self.kept.end_act(once, act)
        log.info("console.acted", operator=visitor.name, path=path, outcome=act.outcome)
        return go(act.leads_to, did=once)

    def _carried_out(self, visitor: Visitor, form: Form, do: Callable[[Visitor, Form], Done]) -> KeptAct:
        try:
            done = do(visitor, form)
        except Refusal as refusal:
            return KeptAct(outcome="refused", leads_to=form.back, said=str(refusal))
        except Exception as fault:
            log.error("request.failed", reason="unavailable", problem=type(fault).__name__, exc_info=fault)
            return KeptAct(outcome="failed", leads_to=form.back, said=FAULT)
        return KeptAct(outcome="done", leads_to=done.leads_to, said=done.said)

    def _repeated(self, once: str, visitor: Visitor) -> Response[bytes]:
        """Pressed twice: the browser shows the answer to the second, so this tells what became of the first."""
        until = time.monotonic() + self.repeat_waits_s
        while True:
            act = self.kept.act(once, operator=visitor.name)
            if act is None:
                raise InvalidRequest("The form was used before. Load the page again.")
            if act.outcome is not None:
                return go(act.leads_to, did=once)
            if time.monotonic() > until:
                raise Unavailable("What you asked for is still being carried out. Look again in a moment.")
            time.sleep(LOOK_EVERY_S)


def go(path: str, *, did: str = "", cookies: Sequence[Cookie] = ()) -> Response[bytes]:
    """To another page."""
    if did:
        path += f"{'&' if '?' in path else '?'}did={did}"
    return Response(
        b"", status_code=303, media_type="text/html", headers={**HEADERS, "Location": path}, cookies=cookies
    )


def to_sign_in(request: AnyRequest, wanted: str) -> Response[bytes]:
    """Whoever is not signed in; a page that only wanted a piece of itself goes there as a whole."""
    path = f"{SIGN_IN}?next={quote(wanted, safe='/')}" if wanted != "/console" else SIGN_IN
    if request.headers.get("hx-request"):
        whole = ours(urlsplit(request.headers.get("hx-current-url", "")).path)
        return Response(b"", status_code=200, headers={**HEADERS, "HX-Redirect": f"{SIGN_IN}?next={quote(whole)}"})
    return go(path)


def _asked(request: AnyRequest) -> str:
    query: Any = request.scope["query_string"]
    return request.scope["path"] + (f"?{query.decode('latin-1')}" if query else "")
