"""Where no collector is named, nothing is traced, and nothing of OpenTelemetry is loaded."""

import subprocess
import sys

from adapters.telemetry.tracing import Tracing
from entrypoints.settings import Settings


def test_the_whole_service_is_put_together_without_it() -> None:
    program = "import sys, entrypoints.http.app; print([name for name in sys.modules if name in {names}])"
    names = {"opentelemetry.sdk", "opentelemetry.exporter", "adapters.telemetry.otlp"}
    ran = subprocess.run(
        [sys.executable, "-c", program.format(names=names)], capture_output=True, text=True, check=True
    )

    assert ran.stdout.strip() == "[]"


def test_no_collector_is_named_unless_somebody_does() -> None:
    assert Settings.read({}).traces_to is None


def test_work_goes_on_without_traces() -> None:
    tracing = Tracing()
    tracing.tell(bot="main")
    with tracing.span("a call"), tracing.going_on("", "a letter"):
        assert tracing.cause() == ""
    tracing.close()


def test_what_is_gone_on_with_bears_the_request_that_it_was_left_over_from() -> None:
    tracing = Tracing()
    with tracing.going_on("req_1 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "a letter"):
        assert tracing.cause() == "req_1"
    assert tracing.cause() == ""


def test_of_several_that_are_served_at_once_each_has_its_own_request() -> None:
    tracing = Tracing()
    with tracing.batch({("telegram", "a"): "req_a", ("telegram", "b"): "req_b"}, "charges", "charge_id"):
        assert [tracing.cause(("telegram", name)) for name in "abc"] == ["req_a", "req_b", ""]
