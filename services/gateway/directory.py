"""Hides where the directory of subscribers comes from: a TOML file that is read again when it changes.

A changed file is taken as a whole or not at all; while it cannot be read the old directory holds, and an alarm says so. A bank
whose contract was ended by the change is refused with its next call.
"""

import logging
import tomllib
from pathlib import Path

from services.gateway import metrics
from services.gateway.domain.subscriber import Directory, DirectoryError, directory_of
from services.gateway.files import WatchedFiles

_log = logging.getLogger(__name__)


class SubscriberDirectory:
    """The directory as the file has it. `current` is replaced as a whole, so a call sees one state of it."""

    def __init__(self, path: Path) -> None:
        """Read the file. Raises `DirectoryError` when it cannot be used: a gateway without subscribers does not start."""
        self._path = path
        self._file = WatchedFiles(path)
        self.current = _read(path)

    def reload_if_changed(self) -> bool:
        """Read the file again if it is not as it was; return whether another directory holds now."""
        if not self._file.changed():
            return False
        try:
            self.current = _read(self._path)
        except DirectoryError as error:
            if self._file.failed(error):
                metrics.DIRECTORY_RELOAD_FAILED.add(1)
                _log.error("the changed subscriber file is not used: %s", error, extra={"event": "directory-refused"})
            return False
        _log.info("subscribers read again", extra={"event": "directory-read", "subscribers": len(self.current.by_identity)})
        return True


def _read(path: Path) -> Directory:
    try:
        with path.open("rb") as file:
            return directory_of(tomllib.load(file))
    except OSError as error:
        raise DirectoryError([f"{path}: {error.strerror}"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DirectoryError([f"{path}: {error}"]) from error
