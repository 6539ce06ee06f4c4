"""Asks a service whether it is ready, as the production probes do: grpc.health.v1 on its own plaintext port."""

from __future__ import annotations

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc


def not_serving(address: str, *, seconds: float = 1.0) -> str | None:
    """Say why the service at `address` is not ready; None when its overall health is SERVING."""
    with grpc.insecure_channel(address) as channel:
        try:
            stub = health_pb2_grpc.HealthStub(channel)
            reply = stub.Check(health_pb2.HealthCheckRequest(service=""), timeout=seconds)  # type: ignore[attr-defined]  # the stubs lack it
        except grpc.RpcError as error:
            return f"its health port {address} answers {error.code().name}" if isinstance(error, grpc.Call) else str(error)
    if reply.status == health_pb2.HealthCheckResponse.SERVING:
        return None
    return f"its health is {health_pb2.HealthCheckResponse.ServingStatus.Name(reply.status)}"
