"""Each event of Stripe is kept once, as it came, with what became of it."""

import pytest

from application.ports.checkout import StripeEvent
from application.stripe_events import KeepStripeEvent
from domain.errors import Unavailable
from domain.events import StripeEventKept
from tests.builders import HOUR, Service
from tests.memory import NOON, KeptEvent

EVENT = StripeEvent(id="evt_1", type="charge.refunded", live=True, object_id="ch_1", body=b'{"id": "evt_1"}')


def keep(service: Service) -> KeepStripeEvent:
    return KeepStripeEvent(work=service.work, clock=service.clock, journal=service.journal)


@pytest.mark.parametrize("outcome", ["settled", "foreign", "other_mode", "unused"])
def test_an_event_is_kept_with_its_bytes_and_its_outcome(outcome: str) -> None:
    service = Service()
    assert not keep(service).known(EVENT)

    keep(service)(EVENT, outcome)

    assert keep(service).known(EVENT)
    assert service.state.stripe_events == {"evt_1": KeptEvent(event=EVENT, outcome=outcome, at=NOON)}
    assert service.journal.events == [StripeEventKept(id="evt_1", type="charge.refunded", outcome=outcome)]


def test_an_event_that_is_kept_stays_as_it_is() -> None:
    service = Service()
    keep(service)(EVENT, "settled")
    service.clock.pass_by(HOUR)

    keep(service)(EVENT, "foreign")

    assert service.state.stripe_events["evt_1"] == KeptEvent(event=EVENT, outcome="settled", at=NOON)


def test_while_the_database_is_away_nothing_is_known_and_nothing_is_told() -> None:
    service = Service()
    service.work.broken = True

    with pytest.raises(Unavailable):
        keep(service).known(EVENT)
    with pytest.raises(Unavailable):
        keep(service)(EVENT, "settled")
    assert service.journal.events == []
