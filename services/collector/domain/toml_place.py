"""Decides where in a TOML file something is written: the line of a table or key, so that a refusal can name it.

Follows the layout that method files keep: one key on a line, arrays with one element on a line.
"""

import re
from typing import NamedTuple

Path = tuple[str | int, ...]

_HEADER = re.compile(r"\s*\[\[?\s*([^\[\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r'\s*("?)([A-Za-z0-9_\-.]+)\1\s*=\s*(.*)$')
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')


class Place(NamedTuple):
    """A line of a file."""

    file_name: str
    line: int

    def __str__(self) -> str:
        return f"{self.file_name}:{self.line}"


class Lines:
    """The lines of one file, by path: ("factor", 2, "source") is the key `source` of the third [[factor]]."""

    def __init__(self, text: str, *, file_name: str) -> None:
        self._file_name = file_name
        self._of: dict[Path, int] = {}
        table: Path = ()
        open_array: Path = ()
        depth = 0
        elements = 0
        for number, line in enumerate(text.splitlines(), start=1):
            if depth:
                if line.strip() and not line.strip().startswith(("]", "#")):
                    self._of.setdefault((*open_array, elements), number)
                    elements += 1
                depth += _depth(line)
            elif (header := _HEADER.match(line)) is not None:
                table = self._table(header.group(1), repeated=line.lstrip().startswith("[["), number=number)
            elif (key := _KEY.match(line)) is not None:
                open_array, elements = (*table, *key.group(2).split(".")), 0
                self._of.setdefault(open_array, number)
                depth = _depth(key.group(3))

    def _table(self, name: str, *, repeated: bool, number: int) -> Path:
        path: Path = tuple(part.strip().strip('"') for part in name.split("."))
        if repeated:
            index = sum(1 for other in self._of if len(other) == len(path) + 1 and other[:-1] == path and isinstance(other[-1], int))
            self._of.setdefault(path, number)
            path = (*path, index)
        self._of.setdefault(path, number)
        return path

    def place(self, *path: str | int) -> Place:
        """Find the line of what stands at a path, or of the nearest table around it."""
        for length in range(len(path), 0, -1):
            if (line := self._of.get(path[:length])) is not None:
                return Place(self._file_name, line)
        return Place(self._file_name, 1)


def _depth(text: str) -> int:
    bare = _STRING.sub("", text).split("#", 1)[0]
    return bare.count("[") + bare.count("{") - bare.count("]") - bare.count("}")
