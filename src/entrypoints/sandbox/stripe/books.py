"""Everything that exists in one mode, test or live: objects as the API shows them, by kind and id."""

from collections import defaultdict
from dataclasses import dataclass, field

from entrypoints.sandbox.people import Json
from entrypoints.sandbox.stripe.refusal import unknown_thing

PARENTS = ("charge", "payment_intent", "customer")
"""By what else objects are found; written once, when they are put in."""

SET_UP = {"webhook_endpoint", "price"}
"""What stays when everything is forgotten."""


@dataclass(slots=True)
class Books:
    livemode: bool
    by_kind: dict[str, dict[str, Json]] = field(default_factory=lambda: defaultdict(dict))
    by_parent: dict[tuple[str, str], dict[str, Json]] = field(default_factory=lambda: defaultdict(dict))
    """(kind, id of its charge, payment intent or customer) → objects by id, oldest first."""
    other: "Books | None" = None
    """The other mode, to say so where somebody looks in the wrong one."""

    def put(self, thing: Json) -> Json:
        self.by_kind[thing["object"]][thing["id"]] = thing
        for name in PARENTS:
            if isinstance(parent := thing.get(name), str):
                self.belongs(thing, parent)
        return thing

    def belongs(self, thing: Json, parent: str) -> None:
        self.by_parent[thing["object"], parent][thing["id"]] = thing

    def find(self, kind: str, identifier: str) -> Json | None:
        return self.by_kind[kind].get(identifier)

    def named(self, kind: str, identifier: str, *, param: str = "id") -> Json:
        thing = self.find(kind, identifier)
        if thing is None:
            elsewhere = self.other is not None and self.other.find(kind, identifier) is not None
            raise unknown_thing(kind, identifier, param, in_other_mode=elsewhere, livemode=self.livemode)
        return thing

    def children(self, kind: str, parent: str) -> list[Json]:
        return list(self.by_parent.get((kind, parent), {}).values())

    def all(self, kind: str) -> list[Json]:
        return list(self.by_kind[kind].values())

    def clear(self) -> None:
        for kind in self.by_kind.keys() - SET_UP:
            self.by_kind[kind].clear()
        self.by_parent.clear()
