"""A consumer in a process of its own, killed at a crash point.

`python -m tests.integration.common.consumer_process URL PASSWORD_FILE BOOTSTRAP KAFKA_PASSWORD_FILE NAME TOPIC POINT`
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from services.common import crash
from services.common.clock import SystemClock
from services.common.consumer import Consumer
from services.common.database import Database
from services.common.settings import KafkaSettings, PostgresSettings, SecretFile
from tests.integration.common.mechanism import take


def main() -> None:
    url, password_file, bootstrap, kafka_password_file, name, topic, point = sys.argv[1:]
    database = Database(PostgresSettings(url=url, password_file=SecretFile(Path(password_file))), SystemClock())
    settings = KafkaSettings(
        bootstrap_servers=(bootstrap,), username="admin", password_file=SecretFile(Path(kafka_password_file)), session_timeout_ms=2_000
    )
    crash.arm(point, True)
    Consumer(name, name, lambda: [topic], take, database, settings).run(threading.Event())


if __name__ == "__main__":
    main()
