"""The pages: three kinds of files, and nothing from anywhere else."""

from pathlib import Path

from litestar import Response, get
from litestar.params import FromPath
from litestar.static_files import create_static_files_router

STATIC = Path(__file__).parent / "static"
LOOKS = Path(__file__).parents[1] / "looks"
"""Colours and sizes, which all pages share."""
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@get("/", include_in_schema=False)
async def page() -> Response[bytes]:
    return _page()


@get("/{slug:str}", include_in_schema=False)
async def linked_invoice(slug: FromPath[str]) -> Response[bytes]:
    """At /$slug the page opens that invoice."""
    if not slug.startswith("$"):
        return Response(b"Not found", status_code=404, media_type="text/plain")
    return _page()


def _page() -> Response[bytes]:
    return Response(
        (STATIC / "index.html").read_bytes(),
        media_type="text/html",
        headers={"Content-Security-Policy": CONTENT_SECURITY_POLICY, "Referrer-Policy": "no-referrer"},
    )


static_files = create_static_files_router(path="/static", directories=[STATIC, LOOKS])
