"""Weights in files that are no checkpoints of ours: the course's `.params`, and safetensors, both read without running
anything that stands in them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as safetensors_bytes

from whence.errors import ConfigError, DataError, MissingInput
from whence.models import course
from whence.training.checkpoints import StoredModel, read_model
from whence.training.module import FORMAT
from whence.vocab import CharVocab

_HEADER = "whence"  # of the metadata in a safetensors file


def read_weights(path: Path, *, spec: dict[str, Any], vocab: CharVocab) -> StoredModel:
    """The model in a file: one of our checkpoints, safetensors, or the course's weights.

    The course's files say neither their configuration nor their vocabulary: those are taken to be `spec` and `vocab`,
    and refused where the shapes tell otherwise. Raises MissingInput, DataError or ConfigError.
    """
    if path.suffix == ".ckpt":
        return read_model(path)
    if not path.is_file():
        raise MissingInput(f"{path}: there is no such file")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a file that is no checkpoint makes of torch's reader
        raise DataError(
            f"{path}: not a readable file of weights (damaged, or holding more than tensors); "
            "save it again with torch.save(model.state_dict(), path)"
        ) from error
    if isinstance(state, dict) and "whence" in state:
        return read_model(path)
    if not course.is_course(state):
        raise DataError(f"{path}: expected the state_dict of the course's GPT (with tok_emb.weight), found another")
    _check_course(path, state, spec, vocab)
    return StoredModel(path, spec, vocab, course.from_course(state), 0)


def course_bytes(stored: StoredModel) -> bytes:
    """The `.params` file that the course's code loads. Raises ConfigError for designs that it does not have."""
    try:
        state = course.to_course(stored.weights, stored.spec)
    except ValueError as error:
        raise ConfigError(f"format: {error}") from error
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def safetensors_file(stored: StoredModel) -> bytes:
    """A safetensors file with our names; configuration and vocabulary stand in its metadata, as JSON."""
    header = {"format": FORMAT, "model": stored.spec, "vocab": stored.vocab.characters, "step": stored.step}
    tensors = {name: tensor.contiguous() for name, tensor in stored.weights.items()}
    return safetensors_bytes(tensors, metadata={_HEADER: json.dumps(header)})


def _read_safetensors(path: Path) -> StoredModel:
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})[_HEADER])
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return StoredModel(path, header["model"], CharVocab(header["vocab"]), weights, header["step"])
    except KeyError as error:
        raise DataError(f"{path}: expected safetensors exported by whence, its metadata has no {error}") from error
    except (SafetensorError, ValueError, OSError) as error:
        raise DataError(f"{path}: not a readable safetensors file ({str(error).splitlines()[0]})") from error


def _check_course(path: Path, state: dict[str, torch.Tensor], spec: dict[str, Any], vocab: CharVocab) -> None:
    if (name := course.variant(state)) != spec["name"]:
        raise ConfigError(
            f"{path} holds weights of {name}, the configuration has attention={spec['name']}; add attention={name}"
        )
    found = course.sizes(state)
    rows = len(course.from_course(state)["tok_emb.weight"])
    if rows != len(vocab):
        raise DataError(
            f"{path} knows {rows} characters, this corpus has {len(vocab)}; use the corpus it was trained on "
            "(data=cs224n data.dir=PATH)"
        )
    for key, size in found.items():
        configured = _configured(spec, key)
        if configured != size:
            raise ConfigError(f"{path} has {key}={size}, the configuration {configured}; add {key}={size}")
    if name == "rope" and course.rope_base_differs(state, spec["attention"]["base"]):
        raise ConfigError(
            f"{path}: its rope_cache has other angles than base={spec['attention']['base']:g} gives; "
            "set model.attention.base to the one it was trained with"
        )


def _configured(spec: dict[str, Any], key: str) -> Any:
    value: Any = spec
    for part in key.split(".")[1:]:
        value = value[part]
    return spec["block_size"] - 1 if key == "model.attention.columns" and value is None else value
