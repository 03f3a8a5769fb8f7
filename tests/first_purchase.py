"""Buys a plan at a running service through its sandbox, as a newcomer would, and asks whether the door is open.

    python -m tests.first_purchase --service http://127.0.0.1:8000 --sandbox http://127.0.0.1:8081 --token TOKEN

TOKEN is a service's token; `make run` leaves one in var/demo-token. Exit code 0 where the door opened.
"""

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

import httpx

WITHIN_S = 20.0
FEATURE = "signals"
PLAN = "Day pass"


def buy(service: str, sandbox: str, token: str) -> str:
    """Buy the first plan in the menu with Stars, and tell what the bot then said."""
    with httpx.Client(base_url=f"{sandbox}/sandbox/api", timeout=30, trust_env=False) as telegram:
        user = _created(telegram)
        _ok(telegram.post("/say", json={"user_id": user, "text": "/start"}))
        _ok(telegram.post("/say", json={"user_id": user, "text": "/buy"}))
        plan = _eventually(lambda: _button(telegram, user, PLAN))
        _press(telegram, user, plan)
        stars = _eventually(lambda: _button(telegram, user, "Telegram Stars"))
        _press(telegram, user, stars)
        invoice = _eventually(lambda: next((m for m in _said(telegram, user) if "invoice" in m), None))
        paid = _ok(telegram.post("/pay", json={"user_id": user, "message_id": invoice["message_id"], "wait": True}))
        if paid["status"] != "paid":
            raise SystemExit(f"not paid: {paid}")
        confirmation = _eventually(
            lambda: next((m for m in _said(telegram, user) if "until" in m.get("text", "")), None)
        )
    check = f"{service}/internal/v1/users/{user}/features/{FEATURE}"
    answer = _ok(httpx.get(check, headers={"Authorization": f"Bearer {token}"}, timeout=10, trust_env=False))
    if answer["allowed"] is not True:
        raise SystemExit(f"paid, but the door is shut: {answer}")
    return str(confirmation["text"])


def _created(telegram: httpx.Client) -> int:
    user: int = _ok(telegram.post("/users", json={"first_name": "Newcomer"}))["id"]
    return user


def _said(telegram: httpx.Client, user: int) -> list[dict[str, Any]]:
    state = _ok(telegram.get("/state"))
    chats = [chat for chat in state["chats"] if chat["chat"]["id"] == user]
    return [view["message"] for chat in chats for view in chat["messages"]]


def _button(telegram: httpx.Client, user: int, label: str) -> tuple[int, str] | None:
    for message in reversed(_said(telegram, user)):
        for row in message.get("reply_markup", {}).get("inline_keyboard", []):
            for button in row:
                if label in button["text"] and "callback_data" in button:
                    return message["message_id"], button["callback_data"]
    return None


def _press(telegram: httpx.Client, user: int, button: tuple[int, str]) -> None:
    _ok(telegram.post("/press", json={"user_id": user, "message_id": button[0], "data": button[1]}))


def _eventually(look: Callable[[], Any]) -> Any:
    until = time.monotonic() + WITHIN_S
    while not (found := look()):
        if time.monotonic() > until:
            raise SystemExit(f"nothing came within {WITHIN_S:g} s")
        time.sleep(0.1)
    return found


def _ok(response: httpx.Response) -> Any:
    if not response.is_success:
        raise SystemExit(
            f"{response.request.method} {response.request.url} answered {response.status_code}: {response.text}"
        )
    return response.json()


def main() -> None:
    reads = argparse.ArgumentParser(description="Buy a plan in a running sandbox.")
    reads.add_argument("--service", required=True)
    reads.add_argument("--sandbox", required=True)
    reads.add_argument("--token", required=True)
    given = reads.parse_args()
    sys.stdout.write(buy(given.service.rstrip("/"), given.sandbox.rstrip("/"), given.token) + "\n")


if __name__ == "__main__":
    main()
