"""The gRPC server over real sockets: what a caller sees of answers, refusals, faults, health, reflection and a stop."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import psycopg
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status
from opentelemetry import trace

from services.common.errors import STATUS_BYTES_MAX, ErrorKind, Refused
from services.common.rpc import RpcServer

NAME = "test.v1.EchoService"
CANARY = "canary-of-a-secret"


class Echo:
    """What a handler does is handed in by the test."""

    def __init__(self) -> None:
        self.say: Callable[[StringValue, grpc.ServicerContext], StringValue] = lambda request, _: request
        self.count: Callable[[StringValue, grpc.ServicerContext], Iterator[StringValue]] = lambda request, _: iter([request, request])

    def Say(self, request: StringValue, context: grpc.ServicerContext) -> StringValue:
        return self.say(request, context)

    def Count(self, request: StringValue, context: grpc.ServicerContext) -> Iterator[StringValue]:
        return self.count(request, context)


def add_echo(servicer: Echo, server: grpc.Server) -> None:
    codec = {"request_deserializer": StringValue.FromString, "response_serializer": StringValue.SerializeToString}
    handlers = {
        "Say": grpc.unary_unary_rpc_method_handler(servicer.Say, **codec),
        "Count": grpc.unary_stream_rpc_method_handler(servicer.Count, **codec),
        "Gather": grpc.stream_unary_rpc_method_handler(
            lambda requests, _: StringValue(value="".join(one.value for one in requests)), **codec
        ),
        "Chat": grpc.stream_stream_rpc_method_handler(lambda requests, _: iter(list(requests)), **codec),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(NAME, handlers),))


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def server(echo: Echo) -> Iterator[RpcServer]:
    made = RpcServer("127.0.0.1:0", "127.0.0.1:0", [(add_echo, echo, NAME)], None, max_workers=4)
    made.start()
    made.set_serving(True)
    yield made
    made.stop(0)


@pytest.fixture
def channel(server: RpcServer) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield channel


def say(channel: grpc.Channel, value: str = "hello", **options: Any) -> str:
    call = channel.unary_unary(f"/{NAME}/Say", StringValue.SerializeToString, StringValue.FromString)
    return call(StringValue(value=value), timeout=10, **options).value


def count(channel: grpc.Channel) -> list[str]:
    call = channel.unary_stream(f"/{NAME}/Count", StringValue.SerializeToString, StringValue.FromString)
    return [one.value for one in call(StringValue(value="x"), timeout=10)]


def info_of(error: grpc.RpcError) -> error_details_pb2.ErrorInfo:
    status = rpc_status.from_call(error)
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    return info


def raising(error: BaseException) -> Callable[..., Any]:
    def handler(*_: Any) -> Any:
        raise error

    return handler


class TestAnswers:
    def test_all_four_kinds_of_call_pass(self, channel: grpc.Channel) -> None:
        assert say(channel) == "hello"
        assert count(channel) == ["x", "x"]
        requests = [StringValue(value="a"), StringValue(value="b")]
        gather = channel.stream_unary(f"/{NAME}/Gather", StringValue.SerializeToString, StringValue.FromString)
        assert gather(iter(requests), timeout=10).value == "ab"
        chat = channel.stream_stream(f"/{NAME}/Chat", StringValue.SerializeToString, StringValue.FromString)
        assert [one.value for one in chat(iter(requests), timeout=10)] == ["a", "b"]

    def test_continue_the_trace_of_the_caller(self, channel: grpc.Channel, echo: Echo) -> None:
        seen: list[int] = []
        echo.say = lambda request, _: (seen.append(trace.get_current_span().get_span_context().trace_id), request)[1]
        say(channel, metadata=(("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),))
        say(channel, metadata=(("traceparent", "nonsense"),))
        assert seen[0] == 0x0AF7651916CD43DD8448EB211C80319C
        assert seen[1] != seen[0]


class TestRefusals:
    @pytest.mark.parametrize("kind", list(ErrorKind))
    def test_travel_as_status_with_error_info(self, kind: ErrorKind, channel: grpc.Channel, echo: Echo) -> None:
        echo.say = raising(Refused(kind, "SUBJECT_UNKNOWN", "no such subject", {"subject": "x"}))
        with pytest.raises(grpc.RpcError) as caught:
            say(channel)
        assert caught.value.code() is kind.value
        assert caught.value.details() == "no such subject"
        info = info_of(caught.value)
        assert (info.reason, info.domain, dict(info.metadata)) == ("SUBJECT_UNKNOWN", "test.v1", {"subject": "x"})

    def test_end_a_stream_after_what_was_already_answered(self, channel: grpc.Channel, echo: Echo) -> None:
        def some(request: StringValue, _: Any) -> Iterator[StringValue]:
            yield request
            raise Refused(ErrorKind.RESOURCE_EXHAUSTED, "QUOTA_SPENT", "enough for today")

        echo.count = some
        call = channel.unary_stream(f"/{NAME}/Count", StringValue.SerializeToString, StringValue.FromString)
        answers = call(StringValue(value="x"), timeout=10)
        assert next(answers).value == "x"
        with pytest.raises(grpc.RpcError) as caught:
            next(answers)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert info_of(caught.value).reason == "QUOTA_SPENT"

    def test_stay_below_the_size_that_breaks_replies(self, channel: grpc.Channel, echo: Echo) -> None:
        metadata = {f"name-{number:03d}": "值" * 500 for number in range(200)}
        echo.say = raising(Refused(ErrorKind.INVALID_ARGUMENT, "TOO_MUCH", "长" * 5000, metadata))
        for _ in range(20):
            with pytest.raises(grpc.RpcError) as caught:
                say(channel)
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            status = rpc_status.from_call(caught.value)
            assert status.ByteSize() <= STATUS_BYTES_MAX
            assert info_of(caught.value).reason == "TOO_MUCH"


class TestFaults:
    @pytest.mark.parametrize(
        "error", [RuntimeError(CANARY), KeyError(CANARY), asyncio.CancelledError(CANARY), concurrent.futures.CancelledError(CANARY)]
    )
    def test_tell_the_caller_a_correlation_id_and_nothing_else(
        self, error: BaseException, channel: grpc.Channel, echo: Echo, caplog: pytest.LogCaptureFixture
    ) -> None:
        echo.say = raising(error)
        echo.count = raising(error)
        for call in (say, count):
            caplog.clear()
            started = time.monotonic()
            with pytest.raises(grpc.RpcError) as caught:
                call(channel)
            assert time.monotonic() - started < 5
            assert caught.value.code() is grpc.StatusCode.INTERNAL
            assert CANARY not in str(caught.value)
            correlation_id = info_of(caught.value).metadata["correlation_id"]
            assert [record.correlation_id for record in caplog.records if record.levelno == logging.ERROR] == [correlation_id]

    def test_of_the_database_ask_the_caller_to_try_again(self, channel: grpc.Channel, echo: Echo) -> None:
        echo.say = raising(psycopg.OperationalError(f"connection to {CANARY} failed"))
        with pytest.raises(grpc.RpcError) as caught:
            say(channel)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert info_of(caught.value).reason == "STORE_UNAVAILABLE"
        assert CANARY not in str(caught.value)

    def test_leave_an_abort_of_the_library_as_it_is(self, channel: grpc.Channel, echo: Echo) -> None:
        echo.say = lambda _, context: context.abort(grpc.StatusCode.OUT_OF_RANGE, "by the library")
        with pytest.raises(grpc.RpcError) as caught:
            say(channel)
        assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.OUT_OF_RANGE, "by the library")

    def test_unknown_methods_are_unimplemented(self, channel: grpc.Channel) -> None:
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(f"/{NAME}/None")(b"", timeout=10)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED

    def test_a_stream_the_caller_leaves_is_closed(self, channel: grpc.Channel, echo: Echo) -> None:
        closed = threading.Event()

        def endless(request: StringValue, _: Any) -> Iterator[StringValue]:
            try:
                while True:
                    yield request
                    time.sleep(0.01)
            finally:
                closed.set()

        echo.count = endless
        answers = channel.unary_stream(f"/{NAME}/Count", StringValue.SerializeToString, StringValue.FromString)(StringValue(value="x"))
        next(answers)
        answers.cancel()
        assert closed.wait(5)


def health(port: int, name: str = "") -> int:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        return health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=name), timeout=5).status


class TestHealth:
    def test_answers_on_both_ports_for_the_whole_and_for_each_service(self, server: RpcServer) -> None:
        serving, not_serving = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
        for port in (server.port, server.health_port):
            assert [health(port, name) for name in ("", NAME)] == [serving, serving]
        server.set_serving(False)
        assert [health(port) for port in (server.port, server.health_port)] == [not_serving, not_serving]

    def test_says_not_serving_until_told_otherwise(self, echo: Echo) -> None:
        made = RpcServer("127.0.0.1:0", "127.0.0.1:0", [(add_echo, echo, NAME)], None)
        made.start()
        assert health(made.health_port) == health_pb2.HealthCheckResponse.NOT_SERVING
        made.stop(0)


class TestReflection:
    def test_lists_the_services(self, channel: grpc.Channel) -> None:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        (answer,) = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=10)
        names = {service.name for service in answer.list_services_response.service}
        assert {NAME, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"} <= names


class TestStreams:
    """An open stream holds a worker for as long as its caller likes: streams never hold more than a quarter of them."""

    @pytest.fixture
    def streams(self, server: RpcServer) -> Iterator[Callable[[str], grpc.RpcError | None]]:
        """Open an idle stream over a connection of its own, and give the error it is refused with, if it is."""
        ended = threading.Event()
        held: list[tuple[Any, grpc.Channel]] = []

        def requests() -> Iterator[reflection_pb2.ServerReflectionRequest]:
            yield reflection_pb2.ServerReflectionRequest(list_services="")
            ended.wait(30)

        def open_one(kind: str) -> grpc.RpcError | None:
            channel = grpc.insecure_channel(f"127.0.0.1:{server.port}", options=[("grpc.use_local_subchannel_pool", 1)])
            if kind == "reflection":
                answers = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(requests(), timeout=30)
            else:
                answers = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=30)
            held.append((answers, channel))
            try:
                next(answers)
            except grpc.RpcError as refused:
                return refused
            return None

        def close() -> None:
            for answers, channel in held:
                answers.cancel()
                channel.close()
            ended.set()

        open_one.close = close  # type: ignore[attr-defined]
        yield open_one
        close()

    @pytest.mark.parametrize("kind", ["reflection", "watch"])
    def test_idle_ones_leave_the_workers_to_calls(
        self, kind: str, streams: Callable[[str], grpc.RpcError | None], channel: grpc.Channel
    ) -> None:
        refused = [streams(kind) for _ in range(6)]
        assert refused[0] is None
        assert [one.code() for one in refused[1:]] == [grpc.StatusCode.RESOURCE_EXHAUSTED] * 5
        assert info_of(refused[1]).reason == "STREAMS_EXHAUSTED"
        assert say(channel) == "hello"

    def test_one_that_ended_makes_room_for_another(self, streams: Any) -> None:
        assert [streams("watch") is None, streams("reflection") is None] == [True, False]
        streams.close()
        deadline = time.monotonic() + 5
        while (refused := streams("reflection")) is not None:
            assert time.monotonic() < deadline, refused
            time.sleep(0.05)

    def test_give_their_place_back_however_they_end(self, channel: grpc.Channel, echo: Echo) -> None:
        count_well = echo.count
        for _ in range(4):
            echo.count = raising(RuntimeError(CANARY))
            with pytest.raises(grpc.RpcError):
                count(channel)
            echo.count = count_well
            assert count(channel) == ["x", "x"]

    def test_that_their_callers_leave_are_no_fault(self, streams: Any, caplog: pytest.LogCaptureFixture) -> None:
        assert streams("reflection") is None
        streams.close()
        time.sleep(0.5)
        assert [
            record.message for record in caplog.records if record.name.startswith("services.") and record.levelno >= logging.ERROR
        ] == []


class TestStop:
    def test_finishes_calls_under_way_and_says_not_serving_meanwhile(self, echo: Echo) -> None:
        made = RpcServer("127.0.0.1:0", "127.0.0.1:0", [(add_echo, echo, NAME)], None)
        entered = threading.Event()

        def slow(request: StringValue, _: Any) -> StringValue:
            entered.set()
            time.sleep(1.0)
            return request

        echo.say = slow
        made.start()
        made.set_serving(True)
        with grpc.insecure_channel(f"127.0.0.1:{made.port}") as channel:
            answers: list[str] = []
            caller = threading.Thread(target=lambda: answers.append(say(channel)))
            caller.start()
            assert entered.wait(5)
            stopping = threading.Thread(target=made.stop, args=(5,))
            stopping.start()
            time.sleep(0.3)
            assert health(made.health_port) == health_pb2.HealthCheckResponse.NOT_SERVING
            with grpc.insecure_channel(f"127.0.0.1:{made.port}") as second, pytest.raises(grpc.RpcError) as caught:
                say(second, wait_for_ready=False)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            caller.join(10)
            stopping.join(10)
        assert answers == ["hello"]

    def test_a_port_in_use_is_refused(self, server: RpcServer, echo: Echo) -> None:
        with pytest.raises((OSError, RuntimeError)):
            RpcServer(f"127.0.0.1:{server.port}", "127.0.0.1:0", [(add_echo, echo, NAME)], None)
