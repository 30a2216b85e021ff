"""Reads text files strictly: what a file holds is either taken as it is or refused with file and line, never altered
in silence. Line n of a file is what an editor shows as line n."""

from __future__ import annotations

import logging
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from whence.errors import DataError, MissingInput
from whence.vocab import MASK, PAD

log = logging.getLogger(__name__)

_PART = 4 << 20  # bytes
_FORBIDDEN = re.compile(f"[\x00-\x08\x0b-\x1f\x7f{PAD}{MASK}]")


def read_lines(path: Path, *, key: str) -> list[str]:
    """The lines of a UTF-8 file, split at newlines only; a missing final newline loses no line.

    `key` is the configuration key that named the file. Raises MissingInput where the file cannot be read, DataError
    for bytes that are not UTF-8, control characters, lone carriage returns and the marks PAD and MASK.
    """
    return [line for _, _, lines in parts(path, key=key) for line in lines]


def parts(path: Path, *, key: str) -> Iterator[tuple[int, bytes, list[str]]]:
    """The lines of a file, some megabytes at a time: the offset in bytes of each part, the part itself and its lines.

    Raises what `read_lines` raises, at the end for what may be wrong in several lines.
    """
    problems: list[tuple[int, str]] = []
    offset = number = 0  # number: of the lines before the part
    blank, windows = True, False
    for content in _read(path, key):
        blank = blank and not content.strip()
        text = _decode(path, content, offset, number)
        if offset == 0 and text.startswith("\ufeff"):
            log.warning("%s: a byte order mark at the start was ignored", path)
            text = text[1:]
        if "\r\n" in text:
            windows = True
            text = text.replace("\r\n", "\n")
        lines = text.removesuffix("\n").split("\n")
        if _FORBIDDEN.search(text):
            found = ((n, _FORBIDDEN.search(line)) for n, line in enumerate(lines, number + 1))
            problems += [(n, _forbidden(match)) for n, match in found if match]
        yield offset, content, lines
        offset += len(content)
        number += len(lines)
    if blank:
        raise DataError(f"{path}: the file is empty (named by {key})")
    if windows:
        log.warning("%s: Windows line ends (CRLF) were read as newlines", path)
    if problems:
        refuse(path, problems)


def refuse(path: Path, problems: Iterable[tuple[int, str]]) -> None:
    """Raise one DataError for all problems of a file: the first in full, the others by their line numbers."""
    first, *others = problems
    more = ""
    if others:
        numbers = ", ".join(str(n) for n, _ in others[:19])
        more = f" (and {len(others)} more: line {numbers}{', ...' if len(others) > 19 else ''})"
    raise DataError(f"{path}:{first[0]}: {first[1]}{more}")


def _forbidden(match: re.Match[str]) -> str:
    character = match.group()
    if character == "\r":
        return "found a lone carriage return (old Mac line ends?); use newlines"
    if character in (PAD, MASK):
        name = "PAD" if character == PAD else "MASK"
        return f"found the {name} mark {character!r} at column {match.start() + 1}; it is reserved, remove it"
    return f"found the control character {character!r} at column {match.start() + 1}; remove it (is this a text file?)"


def _read(path: Path, key: str) -> Iterator[bytes]:
    """The content of a file, cut after newlines."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
            raise MissingInput(f"{path} is {kind}, expected a text file (named by {key})")
        with path.open("rb") as file:
            while content := file.read(_PART):
                yield content + file.readline()
    except OSError as error:
        raise MissingInput(f"{path}: {error.strerror} (named by {key})") from error


def _decode(path: Path, content: bytes, offset: int, number: int) -> str:
    """The text of a part that begins at an offset, after so many lines."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        if b"\0" in content:
            raise DataError(f"{path}: holds zero bytes, as binary files do; expected a text file in UTF-8") from error
        line = number + content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}:{line}: byte 0x{content[error.start]:02x} at offset {offset + error.start} is not UTF-8; "
            "if the file is Latin-1, convert it: iconv -f latin1 -t utf8"
        ) from error
