"""Fetches the course's corpus and tiny Shakespeare: `python -m whence.data.download --into data`.

Neither carries a licence to redistribute it, so nothing of it is in this project. Every file is checked against a known
SHA-256 before it is put in place; of an archive only the expected members are read, whatever else it holds.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import io
import logging
import sys
import urllib.error
import urllib.request
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from whence.errors import DataError, MissingInput, StorageError, WhenceError
from whence.logs import set_up
from whence.storage import write_atomically

log = logging.getLogger(__name__)

LARGEST = 64 << 20  # bytes of one download; the course's archive has about one MiB
_TIMEOUT = 30  # seconds
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)  # what an archive may turn out


@dataclass(frozen=True)
class Source:
    """A folder to fill: addresses to try in turn, and the known SHA-256 sums of each file."""

    folder: str
    addresses: tuple[str, ...]
    files: dict[str, tuple[str, ...]]
    by_hand: str


ARCHIVE = "https://web.stanford.edu/class/archive/cs/cs224n/cs224n.{}/assignments/a5.zip"
SOURCES = (
    Source(
        folder="cs224n",
        addresses=(
            ARCHIVE.format("1234"),
            ARCHIVE.format("1224"),
            ARCHIVE.format("1214"),
            "https://web.stanford.edu/class/cs224n/assignments/a5.zip",
        ),
        files={
            # with and without the final newline: both forms are in use
            "wiki.txt": (
                "823bb536fca77c8b5a15b34b0dead6355d0cf1f806e822464bca28806c2fd055",
                "17e381468abd91b60be8acaff006c66b77532b4ea4c0ce097b0a686d2e8e8219",
            ),
            "birth_places_train.tsv": ("02364dfca78e23d2583a19f03a2d8cddd90ee3e1a3795ddec7f0addadea30b0d",),
            "birth_dev.tsv": ("101a56073eba0db9aad5e2aaf1aa9bf8bdae966ae3aaed8fc8cda5edfa7856da",),
            "birth_test_inputs.tsv": ("5ccd3b2a1682e0daf90d59488aef8805ef21b9d35795cc3bdabdea79d293aa1f",),
        },
        by_hand="take wiki.txt and the three birth_*.tsv files from any copy of the course's assignment 5 "
        "(2021 to 2023) or 4 (2024, 2025)",
    ),
    Source(
        folder="tinyshakespeare",
        addresses=("https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",),
        files={"input.txt": ("86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",)},
        by_hand="any copy of Karpathy's tiny Shakespeare (input.txt, 1,115,394 bytes) will do",
    ),
)


def fetch(source: Source, into: Path) -> None:
    """Fill `into`/`source.folder`; files that are there with a known sum are left alone, others kept as NAME.old.

    Raises MissingInput when no address answers, DataError when what they give is not what is known.
    """
    folder = into / source.folder
    missing = {name for name, sums in source.files.items() if not _known(folder / name, sums)}
    if not missing:
        log.info("%s: complete, sums checked", folder)
        return
    told = []
    for address in source.addresses:
        try:
            found = _members(_download(address), source)
        except (OSError, DataError, http.client.HTTPException, *_DAMAGED) as error:
            told.append(f"{address}: {error}")
            continue
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"{folder}: cannot be made: {error.strerror}; choose another with --into") from error
        for name in sorted(missing):
            if (folder / name).is_file():
                write_atomically(folder / f"{name}.old", (folder / name).read_bytes())
                log.warning("%s: not the file that is known; kept as %s.old", folder / name, name)
            write_atomically(folder / name, found[name])
        log.info("%s: %d files from %s, sums checked", folder, len(missing), address)
        return
    raise MissingInput(
        f"{folder}: could not be fetched ({'; '.join(told)}). By hand: {source.by_hand}, and put them into {folder}; "
        "this command then checks them"
    )


def _known(path: Path, sums: tuple[str, ...]) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() in sums


def _download(address: str) -> bytes:
    """The content behind an address. Raises OSError, or DataError beyond the size that is plausible."""
    log.info("fetching %s", address)
    with urllib.request.urlopen(address, timeout=_TIMEOUT) as answer:
        content: bytes = answer.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise DataError(f"more than {LARGEST >> 20} MiB, expected a small file")
    return content


def _members(content: bytes, source: Source) -> dict[str, bytes]:
    """The expected files of a download, each with a known sum. Raises DataError."""
    if not zipfile.is_zipfile(io.BytesIO(content)):
        if len(source.files) > 1:
            raise DataError("expected a zip archive")
        found = dict.fromkeys(source.files, content)
    else:
        found = {}
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for entry in archive.infolist():
                # Only the last part of a member's path is ever used, and only if it is one of the names we look for.
                name = entry.filename.rsplit("/", 1)[-1]
                if name in source.files and name not in found and entry.file_size <= LARGEST:
                    found[name] = archive.read(entry)
    for name, sums in source.files.items():
        if name not in found:
            raise DataError(f"there is no {name} in it")
        if (digest := hashlib.sha256(found[name]).hexdigest()) not in sums:
            raise DataError(f"{name} has the SHA-256 {digest}, expected {' or '.join(sums)}")
    return found


def main(arguments: list[str] | None = None, sources: tuple[Source, ...] = SOURCES) -> int:
    """Fetch all sources; the exit code is that of the first that fails, and the others are still tried."""
    parser = argparse.ArgumentParser(prog="python -m whence.data.download", description=__doc__.split("\n")[0])
    parser.add_argument("--into", type=Path, default=Path("data"), help="the folder to fill (default: data)")
    into = parser.parse_args(arguments).into
    set_up()
    codes = []
    for source in sources:
        try:
            fetch(source, into)
        except WhenceError as error:
            print(f"error: {error}", file=sys.stderr)
            codes.append(error.exit_code)
    if not codes:
        log.info("next: python train.py data=cs224n data.dir=%s", into / "cs224n")
    return codes[0] if codes else 0


if __name__ == "__main__":
    sys.exit(main())
