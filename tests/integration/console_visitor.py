"""Somebody at the console without a screen, who sends what nobody should: forms of others, twice, from elsewhere."""

import re
from collections.abc import Mapping
from html import unescape
from typing import Final, Self

import httpx

from tests.integration.operators import PASSWORD
from tests.integration.service import Service

_FORM: Final = re.compile(r'<form[^>]* action="([^"]*)".*?</form>', re.DOTALL)
_FIELD: Final = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)">')


class Visitor(httpx.Client):
    """A browser of somebody's; it follows no redirect by itself. `origin` is what it says of where forms come from."""

    def __init__(self, service: Service, name: str | None = None) -> None:
        super().__init__(base_url=service.url, timeout=30, verify=False, trust_env=False)
        self.origin = {"Origin": service.url, "Sec-Fetch-Site": "same-origin"}
        self._name = name

    def __enter__(self) -> Self:
        super().__enter__()
        if self._name:
            answer = self.sign_in(self._name)
            assert answer.status_code == 303, answer.text
        return self

    def sign_in(self, name: str, password: str = PASSWORD, **different: str) -> httpx.Response:
        fields = self.fields("/console/login", "/console/login")
        return self.send_form("/console/login", {**fields, "name": name, "password": password, **different})

    def page(self, path: str) -> str:
        """The page, which must be there."""
        answer = self.get(path)
        assert answer.status_code == 200, (path, answer.status_code, answer.headers.get("location"), answer.text)
        return answer.text

    def fields(self, path: str, action: str) -> dict[str, str]:
        """The hidden fields of the form with that action on that page."""
        page = self.page(path)
        forms = [found[0] for found in _FORM.finditer(page) if unescape(found[1]) == action]
        assert forms, f"{path} has no form for {action}"
        return {unescape(name): unescape(value) for name, value in _FIELD.findall(forms[0])}

    def send_form(
        self, action: str, fields: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        return self.post(action, data=dict(fields), headers=self.origin if headers is None else headers)

    def act(self, path: str, action: str, **filled: str) -> str:
        """Fill in the form and send it; what the page that follows says of it."""
        answer = self.send_form(action, {**self.fields(path, action), **filled})
        assert answer.status_code == 303, answer.text
        return said_by(self.page(answer.headers["location"]))


def said_by(page: str) -> str:
    """What a page tells of the act that led to it."""
    found = re.search(r'<p class="notice[^>]*data-once>.*?<span>(.*?)</span>', page, re.DOTALL)
    assert found, "the page tells of no act"
    return unescape(re.sub(r"<[^>]+>", "", found[1]))
