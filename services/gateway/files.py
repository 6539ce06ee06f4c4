"""Tells when files have changed, for those who read them again without a restart."""

from pathlib import Path

_Look = tuple[tuple[int, int, int] | None, ...]


class WatchedFiles:
    """Some files that belong together. Made before they are first read, so that no change between the two is missed."""

    def __init__(self, *paths: Path) -> None:
        self._paths = paths
        self._seen = self._look()

    def changed(self) -> bool:
        """Tell whether a file is not as it was when this was last asked; one that is away counts as changed, once."""
        before, self._seen = self._seen, self._look()
        return self._seen != before

    def _look(self) -> _Look:
        return tuple(_fingerprint(path) for path in self._paths)


def _fingerprint(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
