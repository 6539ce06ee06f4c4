"""A state directory whose ports are chosen already, so that unit tests open no sockets."""

import json
from pathlib import Path

import pytest

from deploy.local.access import SERVICES
from deploy.local.state import State, open_state


@pytest.fixture
def state(tmp_path: Path) -> State:
    found = open_state(tmp_path / "state")
    names = [
        "postgres",
        "kafka",
        "kafka-controller",
        *(f"{service}-{kind}" for service in SERVICES for kind in ("rpc", "health", "metrics")),
    ]
    found.runtime_file.write_text(json.dumps({"ports": {name: 21000 + number for number, name in enumerate(names)}}))
    return found
