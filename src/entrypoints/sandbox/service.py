"""What the service under test says of a user, asked on the page's behalf so that the page holds no token."""

from typing import Any

import httpx
from litestar import get

from entrypoints.sandbox.control.request import Asked, telegram_of, whole_number
from entrypoints.sandbox.people import Json

TIMEOUT_S = 5.0


@get("/sandbox/api/service", include_in_schema=False)
async def ask_service(request: Asked) -> Json:
    """`?user_id=`: the answer to each feature the sandbox was told to ask about."""
    telegram = telegram_of(request)
    options = telegram.options
    user_id = whole_number(request, "user_id", 0)
    answers = []
    for feature in options.service_features if options.service_token and options.service_url else ():
        path = f"/internal/v1/users/{user_id}/features/{feature}"
        answers.append(await _ask(telegram.client, options.service_url.rstrip("/") + path, options.service_token, path))
    return {"answers": answers}


async def _ask(client: httpx.AsyncClient, url: str, token: str, path: str) -> Json:
    try:
        response = await client.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT_S)
    except httpx.HTTPError:
        return {"path": path, "status": None, "answer": None, "error": "The service does not answer"}
    try:
        answer: Any = response.json()
    except ValueError:
        answer = None
    return {"path": path, "status": response.status_code, "answer": answer, "error": ""}
