"""Runs the issuance once in a process of its own, so that a crash point can kill it. Arguments: url, password file, keys, point."""

from __future__ import annotations

import sys
from pathlib import Path

from services.common import crash
from services.common.clock import SystemClock
from services.common.database import Database
from services.common.settings import PostgresSettings, SecretFile
from services.reports import signing
from services.reports.issuance import Issuance


def main(url: str, password_file: str, key_file: str, published_file: str, point: str) -> None:
    clock = SystemClock()
    database = Database(PostgresSettings(url=url, password_file=SecretFile(Path(password_file))), clock)
    signer = signing.load(key_file=Path(key_file), published_file=Path(published_file), production=False)
    crash.arm(point or None, allowed=True)
    Issuance(database=database, signer=signer, clock=clock, province="shanxi", holder="victim", lease_s=0.2).step()


if __name__ == "__main__":
    main(*sys.argv[1:])
