"""`expand[]`: objects put where their ids stood."""

from entrypoints.sandbox.people import Json
from entrypoints.sandbox.stripe.books import Books
from entrypoints.sandbox.stripe.refusal import Refused

DEEPEST = 4
KINDS: dict[tuple[str, str], str] = {
    ("checkout.session", "payment_intent"): "payment_intent",
    ("checkout.session", "customer"): "customer",
    ("payment_intent", "latest_charge"): "charge",
    ("payment_intent", "customer"): "customer",
    ("charge", "payment_intent"): "payment_intent",
    ("charge", "customer"): "customer",
    ("charge", "balance_transaction"): "balance_transaction",
    ("refund", "charge"): "charge",
    ("refund", "payment_intent"): "payment_intent",
    ("refund", "balance_transaction"): "balance_transaction",
    ("dispute", "charge"): "charge",
    ("dispute", "payment_intent"): "payment_intent",
}
LEFT_OUT = {("checkout.session", "line_items"): "item", ("charge", "refunds"): "refund"}
"""Lists that are only there when they are asked for."""


def expanded(books: Books, answer: Json, paths: list[str]) -> Json:
    for path in paths:
        steps = path.split(".")
        if len(steps) > DEEPEST:
            raise Refused(
                f"You cannot expand more than {DEEPEST} levels of a property. Property: {path}", param="expand"
            )
        answer = _expand(books, answer, steps, path)
    return answer


def _expand(books: Books, thing: Json, steps: list[str], path: str) -> Json:
    """A copy: what is kept stays as it is."""
    step, rest = steps[0], steps[1:]
    if thing.get("object") == "list" and step == "data":
        return thing | {"data": [_expand(books, item, rest, path) if rest else item for item in thing["data"]]}
    place = (thing.get("object", ""), step)
    if place in LEFT_OUT:
        found: Json = _list_of(books, thing, LEFT_OUT[place])
    elif place in KINDS:
        value = thing.get(step)
        if value is None:
            return thing
        found = value if isinstance(value, dict) else books.named(KINDS[place], value)
    else:
        raise Refused(f"This property cannot be expanded ({step}).", code="", param=path)
    return thing | {step: _expand(books, found, rest, path) if rest else found}


def _list_of(books: Books, thing: Json, kind: str) -> Json:
    url = (
        f"/v1/charges/{thing['id']}/refunds" if kind == "refund" else f"/v1/checkout/sessions/{thing['id']}/line_items"
    )
    items = books.children(kind, thing["id"])
    return {"object": "list", "data": items[:10], "has_more": len(items) > 10, "url": url}
