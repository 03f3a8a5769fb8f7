"""The ways in which Stripe does not do what it is asked."""

from domain.errors import ProviderUnavailable


class NoSuchThing(Exception):
    """Stripe knows no object of that id in the mode of our key. `param` is the parameter that named it, if any."""

    def __init__(self, param: str) -> None:
        super().__init__(param)
        self.param = param


class Refused(ProviderUnavailable):
    """Stripe says no, and will say so again."""


class RememberedFailure(ProviderUnavailable):
    """Stripe repeats what it said before: that it failed."""
