"""A collector of traces: takes what OpenTelemetry sends by OTLP over HTTP, and decodes it."""

import gzip
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenSpan:
    trace: str
    id: str
    parent: str
    name: str
    facts: dict[str, Any]
    failed: bool


@dataclass
class Collector:
    """A context manager; `spans` are all that came, `headers` those of the last call, `raw` the bytes of all."""

    spans: list[TakenSpan] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes = b""
    _server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def of(self, trace: str) -> list[TakenSpan]:
        return [span for span in self.spans if span.trace == trace]

    def named(self, name: str, **facts: Any) -> list[TakenSpan]:
        return [span for span in self.spans if span.name == name and facts.items() <= span.facts.items()]

    def __enter__(self) -> Self:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                if self.path == "/v1/traces":
                    outer.take(body, {name.lower(): value for name, value in self.headers.items()})
                self.send_response(200 if self.path == "/v1/traces" else 404)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    def take(self, body: bytes, headers: dict[str, str]) -> None:
        self.headers, self.raw = headers, self.raw + body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = {fact.key: fact.value.string_value for fact in resource.resource.attributes}
            for span in (span for scope in resource.scope_spans for span in scope.spans):
                facts = {fact.key: _plain(fact.value) for fact in span.attributes}
                self.spans.append(
                    TakenSpan(
                        trace=span.trace_id.hex(),
                        id=span.span_id.hex(),
                        parent=span.parent_span_id.hex(),
                        name=span.name,
                        facts={**facts, "service": service["service.name"]},
                        failed=span.status.code == span.status.STATUS_CODE_ERROR,
                    )
                )


def _plain(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value"))
