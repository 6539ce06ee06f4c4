"""Tells when files have changed, for those who read them again without a restart."""

from pathlib import Path

_Look = tuple[tuple[int, int, int] | None, ...]


class WatchedFiles:
    """Some files that belong together. Made before they are first read, so that no change between the two is missed."""

    def __init__(self, *paths: Path) -> None:
        self._paths = paths
        self._seen: _Look | None = self._look()
        self._failure: tuple[_Look | None, str] | None = None

    def changed(self) -> bool:
        """Tell whether a file is not as it was when this was last asked, or could not be used then; one that is away is a change."""
        if self._seen is not None:
            self._failure = None  # what was seen last was taken
        before, self._seen = self._seen, self._look()
        return self._seen != before

    def failed(self, error: Exception) -> bool:
        """Have the files read again at the next look, for the failure may pass though they stay; return whether it is news."""
        before, self._failure = self._failure, (self._seen, str(error))
        self._seen = None
        return self._failure != before

    def _look(self) -> _Look:
        return tuple(_fingerprint(path) for path in self._paths)


def _fingerprint(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
