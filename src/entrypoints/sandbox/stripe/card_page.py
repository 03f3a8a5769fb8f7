"""The card page and the portal, as a buyer sees them."""

from litestar import Response, get
from litestar.params import FromPath

from entrypoints.sandbox.page import CONTENT_SECURITY_POLICY, STATIC


@get("/stripe/checkout/{session_id:str}", include_in_schema=False)
async def checkout(session_id: FromPath[str]) -> Response[bytes]:
    return _page("checkout.html", session_id)


@get("/stripe/portal/{portal_id:str}", include_in_schema=False)
async def portal(portal_id: FromPath[str]) -> Response[bytes]:
    return _page("portal.html", portal_id)


def _page(name: str, _: str) -> Response[bytes]:
    return Response(
        (STATIC / "stripe" / name).read_bytes(),
        media_type="text/html",
        headers={"Content-Security-Policy": CONTENT_SECURITY_POLICY, "Referrer-Policy": "no-referrer"},
    )
