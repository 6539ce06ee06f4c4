"""Hides how logs, traces and metrics leave the process: JSON lines on stdout (`log_lines`), W3C trace context, a Prometheus port.

Trace context travels in the `traceparent` of Kafka records and of gRPC metadata. Spans are exported only where an OTLP
endpoint is set; ids travel and are logged in any case.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from opentelemetry import context as context_api
from opentelemetry import metrics, trace
from opentelemetry.context import Context
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import start_http_server

from services.common import log_lines
from services.common.settings import TelemetrySettings

TRACEPARENT = "traceparent"
LINKS_MAX = 32

_propagator = TraceContextTextMapPropagator()


class Telemetry:
    """What `configure` has set up; `metrics_port` is the port that was bound."""

    def __init__(self, *, tracer_provider: TracerProvider, meter_provider: MeterProvider, metrics_port: int, server: Any) -> None:
        self.meter = meter_provider.get_meter("carbonbureau")
        self.metrics_port = metrics_port
        self._tracer_provider = tracer_provider
        self._meter_provider = meter_provider
        self._server = server

    def shutdown(self) -> None:
        """Export what is waiting and close the metrics port."""
        self._tracer_provider.shutdown()
        self._meter_provider.shutdown()
        self._server.shutdown()
        self._server.server_close()


def configure(service: str, settings: TelemetrySettings) -> Telemetry:
    """Set up logs, the global tracer and meter and the metrics port of this process; once, at `__main__`, after any fork."""
    log_lines.configure(service, settings.log_level)
    log_lines.catch_the_uncaught()
    resource = Resource.create({"service.name": service})
    tracer_provider = TracerProvider(resource=resource)
    if settings.otlp_endpoint is not None:
        # Imported here because it is slow to import and most processes of the sandbox never need it.
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        tracer_provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.otlp_endpoint)))
    meter_provider = MeterProvider(metric_readers=[PrometheusMetricReader()], resource=resource)
    trace.set_tracer_provider(tracer_provider)
    metrics.set_meter_provider(meter_provider)
    server, _ = start_http_server(settings.metrics_port, addr="127.0.0.1")
    return Telemetry(tracer_provider=tracer_provider, meter_provider=meter_provider, metrics_port=server.server_port, server=server)


def current_traceparent() -> str | None:
    """Return the W3C traceparent of the current span, or None outside any."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get(TRACEPARENT)


def context_of(traceparent: str | bytes | None) -> SpanContext | None:
    """Read a W3C traceparent; None for none and for one that is malformed, which anyone may send."""
    if not traceparent:
        return None
    text = traceparent.decode("ascii", "replace") if isinstance(traceparent, bytes) else traceparent
    context = trace.get_current_span(_propagator.extract({TRACEPARENT: text}, context=Context())).get_span_context()
    return context if context.is_valid else None


@contextmanager
def span(
    name: str,
    *,
    parent: SpanContext | None = None,
    causes: Sequence[SpanContext] = (),
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Mapping[str, str | int] | None = None,
) -> Iterator[Span]:
    """Run a block in a span: a child of `parent`, or of the one distinct cause, or linked to several causes."""
    distinct = list({(cause.trace_id, cause.span_id): cause for cause in causes}.values())
    if parent is None and len(distinct) == 1:
        parent = distinct[0]
    links = [Link(cause) for cause in distinct[:LINKS_MAX]] if len(distinct) > 1 else []
    base = trace.set_span_in_context(trace.NonRecordingSpan(parent)) if parent is not None else context_api.get_current()
    tracer = trace.get_tracer("carbonbureau")
    quiet = {"record_exception": False, "set_status_on_exception": False}
    with tracer.start_as_current_span(name, context=base, kind=kind, links=links, attributes=attributes, **quiet) as opened:
        try:
            yield opened
        except BaseException as error:
            # The type only: the text of an exception may hold what a trace must not.
            opened.set_status(StatusCode.ERROR, type(error).__name__)
            raise


def seconds_since(instant: datetime) -> float:
    """Return the age of an instant by this machine's clock, never negative; for metrics, not for decisions."""
    return max(0.0, time.time() - instant.timestamp())
