"""What belongs together: every log line with the request behind it, also those of what it left for later.

Where traces are wanted, `adapters.telemetry.otlp` does the same for spans; nothing of OpenTelemetry is loaded here.
"""

from collections.abc import Hashable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

from adapters.telemetry.bound import bound, bound_request
from adapters.telemetry.logs import cause_of, in_batch, request_in
from application.ports.surroundings import Causes


class Tracing(Causes):
    """Without traces. A cause is a request's id; with them, the place in its trace stands behind it."""

    on = False

    def cause(self, about: Hashable = None) -> str:
        """What is done just now, to be kept with what is left for later; of several that are done at once, what that
        one was asked for by which `about` names."""
        return cause_of(about) or bound_request()

    @contextmanager
    def going_on(self, cause: str, what: str, **facts: str) -> Iterator[None]:
        request_id = request_in(cause)
        with bound(**({"request_id": request_id} if request_id else {})):
            yield

    def batch(self, causes: Mapping[Hashable, str], what: str, named: str) -> AbstractContextManager[None]:
        """While several requests are served at once: the cause of each by the key of what it asks for. `named` is what
        such a key is called."""
        return in_batch(causes)

    def span(self, what: str, **facts: str) -> AbstractContextManager[None]:
        """A piece of work, or a call to somebody else."""
        return nullcontext()

    def tell(self, **facts: str | None) -> None:
        """What becomes known of the piece of work that is under way."""

    def close(self) -> None:
        """Send what is not sent yet."""
