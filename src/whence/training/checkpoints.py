"""Checkpoints that survive a kill at any moment, and the one way to read them.

A folder holds `step-N.ckpt` files and a manifest with their SHA-256. A checkpoint exists once the manifest names it;
the one before is removed only afterwards. Only plain values and tensors are in a file, read with weights_only=True.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning.plugins.io import CheckpointIO

from whence.errors import DataError, MissingInput
from whence.storage import write_atomically, write_json
from whence.training.module import FORMAT
from whence.vocab import CharVocab

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
KEEP = 2  # the newest, and one to fall back on should the disk damage it


@dataclass(frozen=True)
class StoredModel:
    """What a checkpoint tells of its model: configuration, vocabulary, weights by their names in `GPT`, steps taken."""

    path: Path
    spec: dict[str, Any]
    vocab: CharVocab
    weights: dict[str, torch.Tensor]
    step: int

    @property
    def digest(self) -> str:
        """SHA-256 of the weights, which tells the same model wherever its file lies."""
        return weights_digest(self.weights)

    @property
    def run(self) -> Path:
        """The directory of the run that made it, or the file itself where it lies outside of one."""
        folder = self.path.parent
        return folder.parent if (folder / MANIFEST).is_file() else self.path


class AtomicCheckpointIO(CheckpointIO):
    """Lightning's door to the files: every save becomes the newest entry of its folder's manifest."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        content = buffer.getbuffer()
        write_atomically(path, content)
        entry = {
            "file": path.name,
            "step": checkpoint["global_step"],
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        entries = [e for e in manifest(path.parent) if e["file"] != path.name] + [entry]
        write_json(path.parent / MANIFEST, entries[-KEEP:])
        kept = {e["file"] for e in entries[-KEEP:]}
        for old in path.parent.glob("step-*.ckpt"):
            if old.name not in kept:
                old.unlink()

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = True) -> dict[str, Any]:
        # Onto the processor whatever device it was on; Lightning moves it to where the run goes on.
        return read_checkpoint(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        raise NotImplementedError("the manifest decides what is removed")


def newest_checkpoint(folder: Path) -> Path | None:
    """The newest intact checkpoint of a folder, or None when there is none; damaged ones are told in the log."""
    entries = manifest(folder)
    for entry in reversed(entries):
        path = folder / entry["file"]
        if problem := _damage(path, entry):
            log.warning("%s", problem)
        else:
            return path
    if entries:
        raise DataError(f"{folder}: none of its {len(entries)} checkpoints is intact; start again with rerun=true")
    return None


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The content of a checkpoint file, checked against its folder's manifest where that names it.

    Raises MissingInput or DataError (damaged, not a checkpoint, made by a newer version).
    """
    if not path.is_file():
        raise MissingInput(f"{path}: there is no such checkpoint")
    for entry in manifest(path.parent):
        if entry["file"] == path.name and (problem := _damage(path, entry)):
            raise DataError(problem)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a file that is no checkpoint makes of torch's reader
        raise DataError(f"{path}: not a readable checkpoint (damaged, or not one of torch's)") from error
    header = content.get("whence") if isinstance(content, dict) else None
    if isinstance(header, dict) and header.get("format", 0) > FORMAT:
        raise DataError(f"{path}: format {header['format']} is newer than this version reads ({FORMAT}); update whence")
    if not isinstance(header, dict) or "state_dict" not in content:
        raise DataError(f"{path}: expected a checkpoint made by whence, got another program's")
    return content


def read_model(path: Path) -> StoredModel:
    """The model of a checkpoint file. Raises what `read_checkpoint` raises."""
    content = read_checkpoint(path)
    header = content["whence"]
    weights = {name.removeprefix("model."): tensor for name, tensor in content["state_dict"].items()}
    return StoredModel(path, header["model"], CharVocab(header["vocab"]), weights, content["global_step"])


def weights_digest(weights: dict[str, torch.Tensor]) -> str:
    """SHA-256 over names and values of weights."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(weights[name].detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def manifest(folder: Path) -> list[dict[str, Any]]:
    """The checkpoints of a folder that count, oldest first: `file`, `step`, `bytes`, `sha256`. Raises DataError."""
    path = folder / MANIFEST
    if not path.is_file():
        return []
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise DataError(f"{path}: damaged; start the run again with rerun=true") from error


def _damage(path: Path, entry: dict[str, Any]) -> str | None:
    """What is wrong with a file of the manifest, or None."""
    if not path.is_file():
        return f"{path}: the checkpoint is missing"
    if (size := path.stat().st_size) != entry["bytes"]:
        return f"{path}: the checkpoint is damaged ({size} bytes, expected {entry['bytes']})"
    if hashlib.sha256(path.read_bytes()).hexdigest() != entry["sha256"]:
        return f"{path}: the checkpoint is damaged (its SHA-256 is not the manifest's)"
    return None
