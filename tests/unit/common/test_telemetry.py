"""Trace context and the table of metrics."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from services.common import metrics, telemetry
from services.common.metrics import Counter, Gauge, Histogram, Metric

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OTHER = "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(scope="module", autouse=True)
def provider() -> None:
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        trace.set_tracer_provider(TracerProvider())


class TestTraceContext:
    @pytest.mark.parametrize("value", [None, b"", "", b"\xff\xfe", "nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "x" * 10_000])
    def test_ignores_what_is_no_traceparent(self, value: str | bytes | None) -> None:
        assert telemetry.context_of(value) is None

    def test_passes_through_a_span(self) -> None:
        assert telemetry.current_traceparent() is None
        with telemetry.span("work", parent=telemetry.context_of(PARENT.encode())):
            passed = telemetry.current_traceparent()
        assert passed is not None
        assert passed.startswith("00-0af7651916cd43dd8448eb211c80319c-")
        assert passed != PARENT

    def test_one_cause_is_continued_and_several_are_linked(self) -> None:
        one, other = telemetry.context_of(PARENT), telemetry.context_of(OTHER)
        assert one is not None
        assert other is not None
        with telemetry.span("batch", causes=[one, one]) as span:
            assert span.get_span_context().trace_id == one.trace_id
        with telemetry.span("batch", causes=[one, other, one]) as span:
            assert span.get_span_context().trace_id not in (one.trace_id, other.trace_id)
            assert [link.context for link in span.links] == [one, other]

    def test_tells_the_type_of_an_error_and_not_its_text(self) -> None:
        with pytest.raises(ValueError, match="canary"), telemetry.span("work") as span:
            raise ValueError("canary")
        assert span.status.description == "ValueError"
        assert not span.events

    def test_is_recorded_nowhere_else(self) -> None:
        """The library's own spans record exceptions with their texts."""
        services = Path(telemetry.__file__).parents[1]
        opening = re.compile(r"start_as_current_span|start_span|record_exception|get_tracer\(")
        assert [path.name for path in services.rglob("*.py") if opening.search(path.read_text())] == ["telemetry.py"]


class TestMetrics:
    def all_metrics(self) -> list[Metric]:
        return [value for value in vars(metrics).values() if isinstance(value, Metric)]

    def test_each_has_its_own_name_a_unit_and_says_what_to_do(self) -> None:
        every = self.all_metrics()
        assert len(every) >= 15
        assert len({metric.name for metric in every}) == len(every)
        for metric in every:
            assert re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", metric.name), metric.name
            assert metric.unit
            assert metric.meaning.endswith(".")
            assert metric.action.endswith(".")

    def test_do_nothing_before_telemetry_is_configured(self) -> None:
        for metric in self.all_metrics():
            match metric:
                case Counter():
                    assert metric.add(1, {"topic": "t"}) is None
                case Histogram():
                    assert metric.record(0.1, {"queue": "q"}) is None
                case Gauge():
                    assert metric.set(1.0, {"topic": "t"}) is None

    def test_a_gauge_forgets_labels_that_are_gone(self) -> None:
        gauge = Gauge("test.gauge", "1", "Something.", "Nothing.")
        gauge.replace({"consumer": "a"}, "topic", {"x": 1, "y": 2})
        gauge.set(5, {"consumer": "b", "topic": "x"})
        gauge.replace({"consumer": "a"}, "topic", {"y": 3})
        seen = {(one.attributes["consumer"], one.attributes["topic"]): one.value for one in gauge._observe(None)}
        assert seen == {("a", "y"): 3, ("b", "x"): 5}
