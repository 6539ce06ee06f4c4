"""Answers health and reflection only: the collector is reached by events. Calls to it come with their issues."""

from services.common.rpc import RpcServer
from services.common.settings import RpcSettings

GRACE_S = 5.0


def server(settings: RpcSettings) -> RpcServer:
    """Make the server; it says NOT_SERVING until told otherwise."""
    return RpcServer(settings.rpc_listen_address, settings.health_listen_address, [], None, max_workers=settings.rpc_workers_max)
