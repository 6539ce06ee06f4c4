"""A worker of its own process that can be killed at a crash point: `python -m tests.integration.collector.worker_process URL FILE SPEC`."""

import sys
from pathlib import Path

from services.collector.accounts import AccountWorker
from services.common import crash
from services.common.clock import SystemClock
from services.common.database import Database
from services.common.settings import PostgresSettings, SecretFile
from tests.unit.collector.submissions import PROVINCE, the_book


def main(url: str, password_file: str, spec: str) -> None:
    database = Database(PostgresSettings(url=url, password_file=SecretFile(Path(password_file))), SystemClock())
    worker = AccountWorker(database=database, book=the_book(), province=PROVINCE, holder="doomed", lease_s=0.5)
    crash.arm(spec, True)
    worker.step()


if __name__ == "__main__":
    main(*sys.argv[1:])
