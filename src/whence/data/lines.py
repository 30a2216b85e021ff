"""Lines of a file that are read when they are asked for, so that a text of any size takes twelve bytes a line."""

from __future__ import annotations

import os
from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from io import FileIO
from pathlib import Path
from typing import Any, overload

from whence.data.text import parts
from whence.errors import DataError

_TOGETHER = 8192  # lines, where all are read


class Lines(Sequence[str]):
    """The lines of a checked file that `wanted` keeps; `skipped` counts the others.

    Raises what `whence.data.text.read_lines` raises, and DataError when the file changes while it is in use.
    """

    def __init__(self, path: Path, *, key: str, wanted: Callable[[str], object]) -> None:
        self._path = path
        self._starts, self._sizes = array("q"), array("i")
        self.skipped = 0
        for start, content, lines in parts(path, key=key):
            if not start:  # before the first line is taken, so that no change goes unnoticed
                self._state = self._file_state()
            for raw, line in zip(content.split(b"\n"), lines, strict=False):  # after a last newline stands no line
                if wanted(line):
                    self._starts.append(start)
                    self._sizes.append(len(raw))
                else:
                    self.skipped += 1
                start += len(raw) + 1

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        start = self._starts[index]
        return self._text(start, self._bytes(start, start + self._sizes[index]))

    def __iter__(self) -> Iterator[str]:
        for first in range(0, len(self), _TOGETHER):
            starts, sizes = (values[first : first + _TOGETHER] for values in (self._starts, self._sizes))
            content = self._bytes(starts[0], starts[-1] + sizes[-1])
            for start, size in zip(starts, sizes, strict=True):
                place = start - starts[0]
                yield self._text(start, content[place : place + size])

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_file"}  # workers open it themselves

    @cached_property
    def _file(self) -> FileIO:
        return FileIO(self._path)

    def _bytes(self, start: int, end: int) -> bytes:
        if self._file_state() != self._state:
            raise DataError(f"{self._path}: changed while it was in use; start again, with rerun=true")
        return os.pread(self._file.fileno(), end - start, start)

    def _file_state(self) -> tuple[int, int]:
        """Of the file that is open: whoever replaces it by another of its name does no harm."""
        found = os.fstat(self._file.fileno())
        return found.st_size, found.st_mtime_ns

    @staticmethod
    def _text(start: int, content: bytes) -> str:
        text = content.decode("utf-8").removesuffix("\r")
        return text if start else text.removeprefix("\ufeff")
