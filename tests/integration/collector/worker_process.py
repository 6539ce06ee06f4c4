"""A worker of its own process that can be killed at a crash point: `python -m tests.integration.collector.worker_process URL FILE SPEC`."""

import sys
from pathlib import Path

from services.collector import method_files
from services.collector.accounts import AccountWorker
from services.collector.method_releases import ReleasedMethods
from services.common import crash
from services.common.clock import SystemClock
from services.common.database import Database
from services.common.settings import PostgresSettings, SecretFile
from tests.unit.collector.submissions import PROVINCE


def main(url: str, password_file: str, spec: str) -> None:
    database = Database(PostgresSettings(url=url, password_file=SecretFile(Path(password_file))), SystemClock())
    methods = ReleasedMethods(method_files.shipped())
    worker = AccountWorker(database=database, methods=methods, province=PROVINCE, holder="doomed", lease_s=0.5)
    crash.arm(spec, True)
    worker.step()


if __name__ == "__main__":
    main(*sys.argv[1:])
