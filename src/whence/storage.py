"""Writes files so that a reader finds the old content or the new, never a part, whatever kills the writer."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from whence.errors import BusyError, StorageError

_TEMPORARY = ".partial-"
LOCK = ".lock"

log = logging.getLogger(__name__)


def write_atomically(path: Path, content: bytes | memoryview) -> None:
    """Replace `path` by `content`: a new file in the same folder, fsync, rename, fsync of the folder.

    Raises StorageError; the old file is then still there and nothing else is.
    """
    temporary = path.with_name(f"{_TEMPORARY}{path.name}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise StorageError(
            f"{path}: cannot write: {error.strerror}; what was there is intact; make room, then give the command again"
        ) from error


def write_json(path: Path, value: Any) -> None:
    write_atomically(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed writer left behind."""
    for path in folder.glob(f"{_TEMPORARY}*"):
        path.unlink()


@contextlib.contextmanager
def exclusive(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold a run directory for this process; a dead one holds nothing.

    When another process has it: wait for its end, or raise BusyError.
    """
    with (folder / LOCK).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            owner = file.read().strip() or "unknown"
            if not wait:
                raise BusyError(f"{folder}: process {owner} is at work here; wait for it or stop it") from error
            log.info("waiting for process %s, which is at work in %s", owner, folder)
            fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield
