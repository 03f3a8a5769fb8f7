"""People who work at the console, as tests have them: signed in, reading pages, sending forms."""

import html
import json
import re
from dataclasses import dataclass
from typing import Any, Final

import httpx

from adapters.passwords import PasswordHash
from tests.integration.service import Service

PASSWORD: Final = "correct horse battery"
_HASH: Final = str(PasswordHash.of(PASSWORD, b"salt of the test"))
STAFF: Final = {
    "CONSOLE_USERS_JSON": json.dumps(
        {"ada": _HASH, "bo": {"hash": _HASH, "role": "operator"}, "vi": {"hash": _HASH, "role": "viewer"}}
    ),
    "CONSOLE_SECOND_OPERATOR_ABOVE_JSON": json.dumps({"XTR": 5000}),
}
"""Settings: two operators and one who may only look; more than 5,000 Stars need both."""


@dataclass
class Operator:
    """Somebody who is signed in, without a browser."""

    service: Service
    name: str
    client: httpx.Client

    @classmethod
    def sign_in(cls, service: Service, name: str) -> "Operator":
        client = httpx.Client(base_url=service.url, headers={"Origin": service.url}, timeout=60, verify=False)
        login = client.get("/console/login").text
        fields = {"token": _hidden(login, "token"), "name": name, "password": PASSWORD, "next": "/console"}
        assert client.post("/console/login", data=fields).status_code == 303
        return cls(service, name, client)

    def page(self, path: str, status: int = 200) -> str:
        answer = self.client.get(path, follow_redirects=True)
        assert answer.status_code == status, answer.text
        return answer.text

    def words(self, path: str) -> str:
        """What the page says, without its markup."""
        return words_of(self.page(path))

    def form(self, path: str, action: str, **fields: str) -> dict[str, str]:
        """What the form of that action on that page would send."""
        page = self.page(path)
        found = re.search(rf'<form method="post" action="{re.escape(action)}">(.*?)</form>', page, re.DOTALL)
        assert found, f"no form of {path} leads to {action}"
        return {name: _hidden(found[1], name) for name in ("token", "once", "back")} | fields

    def send(self, action: str, form: dict[str, str]) -> httpx.Response:
        return self.client.post(action, data=form, follow_redirects=True)

    def act(self, path: str, action: str, **fields: str) -> str:
        """Sends the form, and tells what the page says then."""
        answer = self.send(action, self.form(path, action, **fields))
        assert answer.status_code == 200, answer.text
        return words_of(answer.text)

    @property
    def cookies(self) -> list[Any]:
        """As a browser takes them."""
        return [
            {"name": cookie.name, "value": cookie.value, "url": self.service.url} for cookie in self.client.cookies.jar
        ]


def words_of(page: str) -> str:
    shown = re.sub(r"<(head|svg|dialog|nav)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", shown)).split())


def _hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, f"there is no field {name}"
    return html.unescape(found[1])
