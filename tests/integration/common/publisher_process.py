"""A publisher in a process of its own, for tests that kill it or pause it at a named place.

`python -m tests.integration.common.publisher_process URL PASSWORD_FILE BOOTSTRAP KAFKA_PASSWORD_FILE LEASE_TTL_S kill|pause POINT`
"""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

from services.common import crash, outbox, outbox_sender
from services.common.clock import SystemClock
from services.common.database import Database
from services.common.identifiers import RandomIds
from services.common.settings import KafkaSettings, PostgresSettings, SecretFile


def main() -> None:
    url, password_file, bootstrap, kafka_password_file, lease_ttl_s, action, point = sys.argv[1:]
    clock = SystemClock()
    database = Database(PostgresSettings(url=url, password_file=SecretFile(Path(password_file))), clock)
    settings = KafkaSettings(bootstrap_servers=(bootstrap,), username="admin", password_file=SecretFile(Path(kafka_password_file)))
    if action == "kill":
        crash.arm(point, True)
    else:
        _pause_once_at(point)
    publisher = outbox.OutboxPublisher(database, settings, (), clock, RandomIds(), "process", lease_ttl_s=float(lease_ttl_s))
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    threading.Thread(target=publisher.run, args=(stop,)).start()


def _pause_once_at(point: str) -> None:
    """Have the process stop itself, as SIGSTOP from outside would at an unlucky moment, when it passes `point` first."""
    passed = outbox_sender.crash_point
    left = [1]

    def pausing(name: str) -> None:
        passed(name)
        if name == point and left:
            left.pop()
            # To this thread, which so stops here; sent to the process it might run on until another thread has taken the signal.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)

    outbox_sender.crash_point = pausing


if __name__ == "__main__":
    main()
