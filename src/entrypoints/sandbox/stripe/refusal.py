"""How Stripe says no."""

from typing import Any


class Refused(Exception):
    """An answer with an `error`. `begun`: the call had passed its checks, so its Idempotency-Key keeps this answer."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str = "",
        param: str = "",
        begun: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.kind = kind
        self.code = code
        self.param = param
        self.begun = begun

    def body(self) -> dict[str, Any]:
        error: dict[str, Any] = {"message": self.message, "type": self.kind}
        if self.code:
            error["code"] = self.code
            error["doc_url"] = f"https://docs.stripe.com/error-codes/{self.code.replace('_', '-')}"
        if self.param:
            error["param"] = self.param
        return {"error": error}


def missing_parameter(name: str) -> Refused:
    return Refused(f"Missing required param: {name}.", code="parameter_missing", param=name)


def unknown_thing(kind: str, identifier: str, param: str, *, in_other_mode: bool, livemode: bool) -> Refused:
    message = f"No such {kind}: '{identifier}'"
    if in_other_mode:
        there, here = ("test", "live") if livemode else ("live", "test")
        message += f"; a similar object exists in {there} mode, but a {here} mode key was used to make this request."
    status = 404 if param == "id" else 400
    return Refused(message, status=status, code="resource_missing", param=param)


def too_many_requests() -> Refused:
    return Refused("Request rate limit exceeded.", status=429, code="rate_limit")
