"""Finds Java and fetches Apache Kafka's jars, once for all state directories.

The jars come from Maven by `pom.xml`; they are complete or absent, since their folder gets its name last. No network is used when
they are there and `pom.xml` has not changed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from deploy.local.errors import CannotRunError
from deploy.local.state import CACHE

KAFKA_VERSION = "4.1.1"
JAVA_MAJOR_MIN = 17
POM = Path(__file__).with_name("pom.xml")


def java() -> str:
    """Give the path of a Java that can run the broker. Raises `CannotRunError` with what to install."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which(str(Path(home) / "bin" / "java")) if home else None
    found = found or shutil.which("java")
    advice = f"install a Java {JAVA_MAJOR_MIN} runtime or newer (Debian: apt-get install openjdk-17-jre-headless maven)"
    if found is None:
        raise CannotRunError(f"Apache Kafka needs Java, and there is none on the path: {advice}")
    shown = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(?:1\.)?(\d+)', shown)
    if version is None or int(version.group(1)) < JAVA_MAJOR_MIN:
        raise CannotRunError(f"Apache Kafka {KAFKA_VERSION} needs Java {JAVA_MAJOR_MIN}, and {found} is older or broken: {advice}")
    return found


def jars(say: Callable[[str], None] = lambda line: None) -> Path:
    """Give the folder of Kafka's jars, fetching them when they are missing. `say` hears of a long step before it starts."""
    folder = CACHE / f"kafka-{KAFKA_VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = hashlib.sha256(POM.read_bytes()).hexdigest()
    library = folder / f"lib-{wanted[:12]}"
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not library.is_dir():
            say(f"fetching Apache Kafka {KAFKA_VERSION} (about 54 MB, once)")
            _fetch(library)
    return library


def _fetch(library: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise CannotRunError(
            "Apache Kafka is fetched by Maven, and there is no `mvn` on the path: install it (Debian: apt-get install maven)"
        )
    unfinished = library.with_name("lib.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    fetched = subprocess.run(
        [
            *(maven, "--quiet", "--batch-mode", "--file", str(POM), "dependency:copy-dependencies"),
            *("-DincludeScope=runtime", f"-DoutputDirectory={unfinished}"),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if fetched.returncode != 0 or not any(unfinished.glob("kafka_2.13-*.jar")):
        reason = next((line for line in (fetched.stdout + fetched.stderr).splitlines() if "ERROR" in line), "no reason given")
        raise CannotRunError(f"Maven could not fetch Apache Kafka: {reason}")
    for path in (unfinished, *unfinished.iterdir()):
        path.chmod(0o755 if path.is_dir() else 0o644)  # the broker's account reads them
    unfinished.rename(library)
