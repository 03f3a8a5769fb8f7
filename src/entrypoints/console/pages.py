"""Pages as HTML, and what goes with every one of them: what it may load, and that nobody keeps or frames it."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Response

from entrypoints.console import wording

FOLDER: Final = Path(__file__).parent
STATIC: Final = FOLDER / "static"
LOOKS: Final = FOLDER.parent / "looks"
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: with that, browsers say of no form where it comes from.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Robots-Tag": "noindex",
}


@dataclass(frozen=True, slots=True)
class Page:
    """A template, what it shows, and the status that goes with it."""

    template: str
    shows: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200


class Pages:
    """Every text that is put into a page is escaped: nothing that anybody wrote becomes markup."""

    def __init__(self) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals |= {"asset": _asset(), "once": lambda: secrets.token_urlsafe(16)}
        self._environment.filters |= wording.FILTERS

    def response(self, page: Page, **everywhere: Any) -> Response[bytes]:
        """The page as an answer; `everywhere` is what every page shows."""
        html = self._environment.get_template(page.template).render({**everywhere, **page.shows})
        return Response(
            html.encode("utf-8", "replace"), status_code=page.status, media_type="text/html", headers=HEADERS
        )


def _asset() -> Callable[[str], str]:
    """The address of a file of ours, another one whenever the file is another, so that browsers may keep it."""
    marks = {
        path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest()[:12]
        for folder in (STATIC, LOOKS)
        for path in folder.rglob("*")
        if path.is_file()
    }
    return lambda name: f"/console/static/{name}?v={marks[name]}"
