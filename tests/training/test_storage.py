"""A file is old or new and never a part, wherever the writer is killed; damage is found before it is used."""

import errno
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from whence.errors import BusyError, DataError, MissingInput, StorageError
from whence.storage import exclusive, remove_leftovers, write_atomically
from whence.training.checkpoints import AtomicCheckpointIO, newest_checkpoint, read_checkpoint

# Every call of the operating system that a save makes, in the order in which they come.
KILL_POINTS = range(1, 40)


def content(step):
    return {
        "whence": {"format": 1, "model": {}, "vocab": ""},
        "global_step": step,
        "state_dict": {"weight": torch.full((64, 64), float(step))},
    }


def save(folder, step):
    AtomicCheckpointIO().save_checkpoint(content(step), folder / f"step-{step:08d}.ckpt")


def test_a_kill_at_any_point_of_a_save_loses_nothing(tmp_path):
    """Kills a third save before each of its file operations in turn, until one survives all of them."""
    survived = None
    for point in KILL_POINTS:
        folder = tmp_path / str(point)
        save(folder, 1)
        save(folder, 2)
        child = os.fork()
        if child == 0:  # the state of torch is inherited: a hundred times faster than a new process
            _save_and_die(folder, point)
        _, status = os.waitpid(child, 0)
        newest = newest_checkpoint(folder)
        assert newest is not None
        step = read_checkpoint(newest)["global_step"]
        assert step in (2, 3), f"killed before operation {point}"
        remove_leftovers(folder)
        assert not list(folder.glob(".partial-*"))
        if os.WIFEXITED(status):
            survived = point
            assert step == 3
            break
    assert survived is not None
    assert survived > 8, "the harness missed the operations of a save"


def _save_and_die(folder: Path, point: int) -> None:
    left = point

    def count(*_):
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), 9)

    def trap(event, arguments):
        if event in ("open", "os.rename", "os.remove") and str(arguments[0]).startswith(str(folder)):
            count()

    sys.addaudithook(trap)
    real = os.fsync

    def fsync(number):
        count()
        real(number)

    os.fsync = fsync
    save(folder, 3)
    os._exit(0)


@pytest.mark.parametrize("failing", ["write", "fsync", "replace"])
def test_a_full_disk_is_told_and_the_old_file_stays(tmp_path, monkeypatch, failing):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    if failing == "write":
        real = Path.open
        monkeypatch.setattr(Path, "open", lambda self, mode="r", **k: full() if "w" in mode else real(self, mode, **k))
    elif failing == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    else:
        monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(StorageError, match="No space left"):
        write_atomically(path, b"new")
    monkeypatch.undo()
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_two_checkpoints_are_kept(tmp_path):
    for step in range(1, 6):
        save(tmp_path, step)
    assert sorted(p.name for p in tmp_path.glob("*.ckpt")) == ["step-00000004.ckpt", "step-00000005.ckpt"]
    assert newest_checkpoint(tmp_path).name == "step-00000005.ckpt"


def damaged(data: bytes):
    """Truncations, flipped bits, nothing and nonsense."""
    for share in (0.1, 0.5, 0.9):
        yield data[: int(len(data) * share)]
    for place in range(100, len(data), len(data) // 20):
        yield data[:place] + bytes([data[place] ^ 16]) + data[place + 1 :]
    yield b""
    yield os.urandom(len(data))


def test_damage_is_found_and_the_checkpoint_before_is_taken(tmp_path):
    save(tmp_path, 1)
    save(tmp_path, 2)
    newest = tmp_path / "step-00000002.ckpt"
    data = newest.read_bytes()
    cases = list(damaged(data))
    assert len(cases) > 20
    for bad in cases:
        newest.write_bytes(bad)
        assert newest_checkpoint(tmp_path).name == "step-00000001.ckpt"
        with pytest.raises(DataError, match="damaged"):
            read_checkpoint(newest)
    newest.unlink()
    assert newest_checkpoint(tmp_path).name == "step-00000001.ckpt"
    (tmp_path / "step-00000001.ckpt").unlink()
    with pytest.raises(DataError, match="none of its 2 checkpoints is intact"):
        newest_checkpoint(tmp_path)


class Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.system, (f"touch {self.path}",))


def test_a_checkpoint_never_runs_code(tmp_path):
    (tmp_path / "evil.ckpt").write_bytes(pickle.dumps(Payload(tmp_path / "touched")))
    torch.save({"whence": Payload(tmp_path / "touched")}, tmp_path / "evil2.ckpt")
    for name in ("evil.ckpt", "evil2.ckpt"):
        with pytest.raises(DataError, match="not a readable checkpoint"):
            read_checkpoint(tmp_path / name)
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"state_dict": {}}, "another program's"),
        ([1, 2], "another program's"),
        ({"whence": {"format": 99}}, "newer than this version"),
    ],
)
def test_foreign_and_newer_checkpoints_are_told(tmp_path, value, said):
    torch.save(value, tmp_path / "other.ckpt")
    with pytest.raises(DataError, match=said):
        read_checkpoint(tmp_path / "other.ckpt")


def test_a_missing_checkpoint_and_a_damaged_manifest_are_told(tmp_path):
    with pytest.raises(MissingInput):
        read_checkpoint(tmp_path / "no.ckpt")
    save(tmp_path, 1)
    (tmp_path / "manifest.json").write_text(json.dumps([])[:1])
    with pytest.raises(DataError, match=r"manifest.json: damaged"):
        newest_checkpoint(tmp_path)


def test_a_run_directory_has_one_owner_at_a_time(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from whence.storage import exclusive\n"
        "with exclusive(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(BusyError, match=str(other.pid)), exclusive(tmp_path):
            pass
    finally:
        other.kill()
        other.wait()
    with exclusive(tmp_path):  # a dead owner holds nothing
        pass
