"""Traces by OpenTelemetry, sent to a collector by OTLP over HTTP. Loaded only where a collector is named.

A span says which piece of work it was, for which request, bot, invoice and charge, and how it ended; never who bought,
what was said, or why in anybody else's words: those may quote what must not be seen.
"""

from collections.abc import Hashable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from adapters.telemetry.bound import bound
from adapters.telemetry.logs import in_batch, request_in
from adapters.telemetry.tracing import Tracing

PATH = "/v1/traces"
EXPORT_TIMEOUT_S = 5.0
FAULT_OF_OURS = 500
_PARENT = "traceparent"
_WIRE = TraceContextTextMapPropagator()


class OtlpTracing(Tracing):
    """`endpoint` is a collector's address without `/v1/traces`; `headers` may hold its key."""

    on = True

    def __init__(self, endpoint: str, headers: Mapping[str, str]) -> None:
        exporter = OTLPSpanExporter(
            endpoint=endpoint.rstrip("/") + PATH, headers=dict(headers), timeout=EXPORT_TIMEOUT_S
        )
        # What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say goes before.
        resource = Resource({SERVICE_NAME: "tollgram"}).merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=resource)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("tollgram")

    def cause(self, about: Hashable = None) -> str:
        cause = super().cause(about)
        parent = _carried(None)
        return cause if " " in cause or not parent else f"{cause} {parent}"

    @contextmanager
    def going_on(self, cause: str, what: str, **facts: str) -> Iterator[None]:
        with ExitStack() as stack:
            if request_id := request_in(cause):
                stack.enter_context(bound(request_id=request_id))
            stack.enter_context(self._current(what, SpanKind.CONSUMER, facts, _place(cause)))
            yield

    @contextmanager
    def batch(self, causes: Mapping[Hashable, str], what: str, named: str) -> Iterator[None]:
        """One span for each, in its own trace, from the beginning to the end of the whole batch."""
        size = len(causes)
        spans = {key: self._begin(what, SpanKind.INTERNAL, _place(cause)) for key, cause in causes.items()}
        for key, span in spans.items():
            span.set_attributes(
                {named: str(key[-1] if isinstance(key, tuple) else key), "batch_size": size, **_request(causes[key])}
            )
        inner = {key: f"{request_in(causes[key])} {_carried(span)}" for key, span in spans.items()}
        first = next(iter(spans.values()))
        try:
            with in_batch(inner), trace.use_span(first, record_exception=False, set_status_on_exception=False):
                yield
        except BaseException as fault:
            for span in spans.values():
                _failed(span, fault)
            raise
        finally:
            for span in spans.values():
                span.end()

    @contextmanager
    def span(self, what: str, **facts: str) -> Iterator[None]:
        with self._current(what, SpanKind.CLIENT, facts, None):
            yield

    @contextmanager
    def request(self) -> Iterator[Span]:
        """A request that came in; whoever calls has no say in the trace that it belongs to."""
        with self._current("request", SpanKind.SERVER, {}, Context()) as span:
            yield span

    def answered(self, span: Span, method: str, route: str, status: int) -> None:
        span.update_name(f"{method} {route}")
        span.set_attributes({"http.request.method": method, "http.route": route, "http.response.status_code": status})
        if status >= FAULT_OF_OURS:
            span.set_status(Status(StatusCode.ERROR))

    def tell(self, **facts: str | None) -> None:
        trace.get_current_span().set_attributes({name: fact for name, fact in facts.items() if fact})

    def close(self) -> None:
        self._provider.shutdown()

    @contextmanager
    def _current(self, what: str, kind: SpanKind, facts: Mapping[str, str], place: Context | None) -> Iterator[Span]:
        span = self._begin(what, kind, place)
        span.set_attributes({**facts, **_request(super().cause())})
        with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                yield span
            except BaseException as fault:
                _failed(span, fault)
                raise

    def _begin(self, what: str, kind: SpanKind, place: Context | None) -> Span:
        return self._tracer.start_span(what, context=place, kind=kind)


def _failed(span: Span, fault: BaseException) -> None:
    span.set_status(Status(StatusCode.ERROR, type(fault).__name__))


def _request(cause: str) -> Mapping[str, str]:
    request_id = request_in(cause)
    return {"request_id": request_id} if request_id else {}


def _place(cause: str) -> Context:
    """In the trace that the cause names; a trace of its own where it names none."""
    return _WIRE.extract({_PARENT: cause.partition(" ")[2]}, context=Context())


def _carried(span: Span | None) -> str:
    """A span, or the one that is under way, as it is written on the wire; empty where there is none."""
    carrier: dict[str, str] = {}
    _WIRE.inject(carrier, context=trace.set_span_in_context(span) if span else None)
    return carrier.get(_PARENT, "")
