"""Every refusal has a public code of its own that never changes, and words that the caller may read."""

import pytest

from domain import errors
from domain.errors import RateLimited, Refusal

CODES = {
    "InvalidRequest": "invalid_request",
    "Unauthenticated": "unauthenticated",
    "Forbidden": "forbidden",
    "NotFound": "not_found",
    "AlreadyEntitled": "already_entitled",
    "Conflict": "conflict",
    "UnknownPlan": "unknown_plan",
    "MethodUnavailable": "method_unavailable",
    "RateLimited": "rate_limited",
    "TooLarge": "too_large",
    "ProviderUnavailable": "provider_unavailable",
    "Unavailable": "unavailable",
}


def refusals() -> dict[str, type[Refusal]]:
    return {
        name: kind
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, Refusal) and kind is not Refusal
    }


@pytest.mark.parametrize(("name", "code"), CODES.items(), ids=CODES.values())
def test_the_code_is(name: str, code: str) -> None:
    assert refusals()[name].code == code


def test_no_refusal_shares_its_code_or_lacks_one() -> None:
    codes = [kind.code for kind in refusals().values()]

    assert len(set(codes)) == len(codes) >= len(CODES)


def test_who_is_refused_for_haste_is_told_how_long_to_wait() -> None:
    refusal = RateLimited("Not so fast.", retry_after_s=7)

    assert (str(refusal), refusal.retry_after_s) == ("Not so fast.", 7)
