"""A small plan of fake processes, run as its own command so that tests can kill its supervisor.

`python -m tests.integration.deploy.fake_bureau STATE run|up|stop [GENERATION]`: something that listens, steps, something that listens. The
step `count` hangs while the file `hang` is in the state directory, and fails while `fail` is.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from deploy.local import supervisor
from deploy.local.errors import CannotRunError
from deploy.local.plan import Plan, Service, Step
from deploy.local.state import State, accepts, open_state
from deploy.local.supervisor import Stay, Supervisor

LISTEN = """
import signal, socket, subprocess, sys
child = subprocess.Popen(["/bin/sleep", "1000"])
def end(*_):
    child.kill()
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
listening = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening as", sys.argv[2], flush=True)
while True:
    listening.accept()[0].close()
"""
STEP = """
import pathlib, sys, time
state = pathlib.Path(sys.argv[1])
print("counting", flush=True)
while (state / "hang").exists():
    time.sleep(0.05)
with (state / sys.argv[2]).open("a") as file:
    file.write(sys.argv[3] + "\\n")
print("counted", flush=True)
sys.exit(7 if (state / "fail").exists() else 0)
"""


def plan(state: State, *, generation: str) -> Plan:
    return [
        [_listener(state, "first", generation)],
        [_step(state, "count", generation="1"), _step(state, "count-once", generation=generation, once=True)],
        [_listener(state, "second", generation)],
    ]


def _step(state: State, name: str, *, generation: str, once: bool = False) -> Step:
    command = [sys.executable, "-c", STEP, str(state.path), f"{name}.result", generation]
    return Step(name=name, command=command, once=once, shown=True)


def _listener(state: State, name: str, generation: str) -> Service:
    port = state.port(name)
    return Service(
        name=name,
        command=[sys.executable, "-c", LISTEN, str(port), f"generation {generation}"],
        not_ready=_closed(port),
        port_names=(name,),
        start_seconds_max=15,
    )


def _closed(port: int) -> Callable[[], str | None]:
    return lambda: None if accepts(port) else f"port {port} is closed"


def main() -> int:
    state = open_state(Path(sys.argv[1]))
    generation = sys.argv[3] if len(sys.argv) > 3 else "1"
    try:
        if sys.argv[2] == "stop":
            return supervisor.stop(state, print)
        stay = Stay.LEAVE if sys.argv[2] == "up" else Stay.WATCH
        return Supervisor(state=state, plan=plan(state, generation=generation), say=lambda line: print(line, flush=True)).run(stay)
    except CannotRunError as error:
        print(error, flush=True)
        return 1


if __name__ == "__main__":
    sys.exit(main())
