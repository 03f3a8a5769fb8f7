"""Stripe's library is large: it is loaded only where Stripe is really used."""

import subprocess
import sys

import pytest

MODULES = ("account", "amounts", "checkout", "events", "limits", "ours", "refusals", "signatures", "standing", "wire")


def loaded_after(code: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint('stripe' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout.strip()


@pytest.mark.parametrize(
    ("code", "loaded"),
    [
        pytest.param("\n".join(f"import adapters.stripe.{name}" for name in MODULES), "False", id="named"),
        pytest.param(
            "from adapters.stripe.checkout import StripeCheckout\n"
            "StripeCheckout('sk_test_12345678', price_map={}, success_url='https://a', cancel_url='https://b')",
            "True",
            id="built",
        ),
    ],
)
def test_the_library_is_loaded_when_the_checkout_is_built_and_not_before(code: str, loaded: str) -> None:
    assert loaded_after(code) == loaded
