"""Hides how calls are answered: one gRPC server with reflection and health, the closed error set, traces and a graceful stop.

A servicer's method returns its answer or raises `Refused`; nothing else it raises reaches the caller. Health also answers on a
plaintext port of its own, because probes cannot do TLS.
"""

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from typing import Any, NoReturn

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status
from opentelemetry.trace import SpanKind

from services.common import errors, metrics, telemetry
from services.common.database import is_recoverable
from services.common.errors import ErrorKind, Refused

_log = logging.getLogger(__name__)

Service = tuple[Callable[[Any, grpc.Server], None], Any, str]

_MESSAGE_BYTES_MAX = 4 * 1024 * 1024
_OPTIONS = (
    # Two processes on one port would share its calls by chance, the second would rather fail.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", _MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", _MESSAGE_BYTES_MAX),
    # Clients behind one load-balancer address are dealt out anew every five minutes.
    ("grpc.max_connection_age_ms", 300_000),
    ("grpc.max_connection_age_grace_ms", 30_000),
    # The keepalive contract: a client may ping every 20 s, also without a call.
    ("grpc.http2.min_ping_interval_without_data_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.keepalive_time_ms", 60_000),
)


class RpcServer:
    """The gRPC server of one service. Ports are bound when it is made; `port` and `health_port` tell which.

    Not serving until `set_serving(True)`: whoever starts it decides when it is ready. Of its workers streams may hold a quarter.
    """

    def __init__(
        self,
        listen_address: str,
        health_address: str,
        services: Sequence[Service],
        credentials: grpc.ServerCredentials | None,
        interceptors: Sequence[grpc.ServerInterceptor] = (),
        max_workers: int = 16,
        *,
        error_domain: str | None = None,
    ) -> None:
        self._health = health.HealthServicer()
        self._names = [full_name for _, _, full_name in services]
        self._server = grpc.server(
            futures.ThreadPoolExecutor(max_workers, thread_name_prefix="rpc"),
            interceptors=[ErrorInterceptor(error_domain), TelemetryInterceptor(), StreamLimit(_streams_max(max_workers)), *interceptors],
            options=_OPTIONS,
            # Calls beyond the workers wait in a queue; beyond this many they are refused with RESOURCE_EXHAUSTED.
            maximum_concurrent_rpcs=max_workers * 10,
        )
        for add_to_server, servicer, _ in services:
            add_to_server(servicer, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection([*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME], self._server)
        self.port = _bound(self._server, listen_address, credentials)
        self._health_server = grpc.server(futures.ThreadPoolExecutor(2, thread_name_prefix="health"), options=(("grpc.so_reuseport", 0),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._health_server)
        self.health_port = _bound(self._health_server, health_address, None)
        self.set_serving(False)

    def start(self) -> None:
        """Begin to answer; health says NOT_SERVING until told otherwise."""
        self._health_server.start()
        self._server.start()

    def set_serving(self, serving: bool) -> None:
        """Say by health, for every service and for the whole, whether new calls are welcome."""
        state = health_pb2.HealthCheckResponse.SERVING if serving else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in ("", *self._names):
            self._health.set(name, state)

    def stop(self, grace: float) -> None:
        """Say NOT_SERVING, take no new calls, let those under way finish within `grace` seconds, then close all."""
        self.set_serving(False)
        self._server.stop(grace).wait()
        self._health_server.stop(None).wait()


class _Wrapping(grpc.ServerInterceptor):
    """Wraps every handler, whatever it streams, so that a subclass says once what happens around a call."""

    def intercept_service(self, continuation: Any, details: Any) -> Any:
        handler = continuation(details)
        if handler is None:
            return None
        method = details.method
        if handler.response_streaming:
            inner = handler.stream_stream if handler.request_streaming else handler.unary_stream

            def stream(request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
                yield from self._around(method, context, lambda: inner(request, context))

            make = grpc.stream_stream_rpc_method_handler if handler.request_streaming else grpc.unary_stream_rpc_method_handler
            return make(stream, handler.request_deserializer, handler.response_serializer)
        inner_unary = handler.stream_unary if handler.request_streaming else handler.unary_unary

        def unary(request: Any, context: grpc.ServicerContext) -> Any:
            (answer,) = self._around(method, context, lambda: iter((inner_unary(request, context),)))
            return answer

        make_unary = grpc.stream_unary_rpc_method_handler if handler.request_streaming else grpc.unary_unary_rpc_method_handler
        return make_unary(unary, handler.request_deserializer, handler.response_serializer)

    def _around(self, method: str, context: grpc.ServicerContext, call: Callable[[], Iterator[Any]]) -> Iterator[Any]:
        raise AssertionError("a subclass says what happens around a call")


class ErrorInterceptor(_Wrapping):
    """Turns what a handler raises into a status. Outermost, so that nothing passes it, neither text nor a missing status.

    `Refused` travels as it is, a database that is away as UNAVAILABLE, all else as INTERNAL with a correlation id.
    """

    def __init__(self, domain: str | None = None) -> None:
        self._domain = domain

    def _around(self, method: str, context: grpc.ServicerContext, call: Callable[[], Iterator[Any]]) -> Iterator[Any]:
        domain = self._domain or method.strip("/").split("/")[0].rpartition(".")[0]
        try:
            yield from call()
            return
        except GeneratorExit:
            raise
        except Refused as refused:
            status = errors.to_status(refused, domain)
        except BaseException as error:
            # CancelledError is a BaseException in asyncio; unmapped it would leave the caller waiting for its deadline.
            if context.code() not in (None, grpc.StatusCode.OK):  # type: ignore[attr-defined]  # the stubs lack it
                raise
            if isinstance(error, grpc.RpcError) and not context.is_active():
                raise  # the caller left in the middle of a stream, and gRPC told the handler so; nobody is there to be answered
            status = self._fault(method, error, domain)
        self._abort(context, status)

    def _fault(self, method: str, error: BaseException, domain: str) -> Any:
        correlation_id = str(uuid.uuid4())
        extra = {"method": method, "correlation_id": correlation_id}
        if is_recoverable(error):
            _log.warning("call refused, the database is away: %s", type(error).__name__, extra=extra)
            away = Refused(ErrorKind.UNAVAILABLE, "STORE_UNAVAILABLE", "try again later", {"correlation_id": correlation_id})
            return errors.to_status(away, domain)
        _log.error("call failed", exc_info=error, extra=extra)
        return errors.internal_status(correlation_id, domain)

    def _abort(self, context: grpc.ServicerContext, status: Any) -> NoReturn:
        context.abort_with_status(rpc_status.to_status(status))
        raise AssertionError("abort_with_status raises")


class TelemetryInterceptor(_Wrapping):
    """Continues the caller's trace and measures every call by method and code."""

    def _around(self, method: str, context: grpc.ServicerContext, call: Callable[[], Iterator[Any]]) -> Iterator[Any]:
        started = time.monotonic()
        code = "OK"
        metadata = dict(context.invocation_metadata() or ())
        parent = telemetry.context_of(metadata.get(telemetry.TRACEPARENT))
        try:
            with telemetry.span(method.strip("/"), parent=parent, kind=SpanKind.SERVER):
                yield from call()
        except Refused as refused:
            code = refused.kind.value.name
            raise
        except GeneratorExit:
            code = "CANCELLED"
            raise
        except BaseException:
            code = "INTERNAL" if context.is_active() else "CANCELLED"
            raise
        finally:
            metrics.RPC_DURATION.record(time.monotonic() - started, {"method": method, "code": code})


class StreamLimit(_Wrapping):
    """Refuses streams beyond so many at once. An open stream, idle or not, holds a worker for as long as its caller likes.

    Health's Watch and reflection are streams, and answer whoever comes.
    """

    def __init__(self, streams_max: int) -> None:
        self._free = threading.Semaphore(streams_max)

    def intercept_service(self, continuation: Any, details: Any) -> Any:
        handler = continuation(details)
        if handler is None or not (handler.request_streaming or handler.response_streaming):
            return handler
        return super().intercept_service(lambda _: handler, details)

    def _around(self, method: str, context: grpc.ServicerContext, call: Callable[[], Iterator[Any]]) -> Iterator[Any]:
        if not self._free.acquire(blocking=False):
            raise Refused(ErrorKind.RESOURCE_EXHAUSTED, "STREAMS_EXHAUSTED", "too many streams are open: try again later")
        try:
            yield from call()
        finally:
            self._free.release()


def _streams_max(max_workers: int) -> int:
    """A quarter of the workers, but one at least, and never the last worker."""
    return min(max(1, max_workers // 4), max_workers - 1)


def _bound(server: grpc.Server, address: str, credentials: grpc.ServerCredentials | None) -> int:
    port = server.add_insecure_port(address) if credentials is None else server.add_secure_port(address, credentials)
    if port == 0:
        raise OSError(f"{address} cannot be bound")
    return port
