"""The only place where a configuration becomes objects. `_target_`s are taken from a short list of names, for a
configuration can come from a checkpoint or a stranger's file."""

from __future__ import annotations

import importlib
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from torch import nn

from whence.config.validate import LABELS
from whence.errors import ConfigError, WhenceError
from whence.models.gpt import GPT

OWN = "whence."
MODELS = "whence.models."
LOGGERS = tuple(f"pytorch_lightning.loggers.{name}" for name in ("CSVLogger", "WandbLogger", "MLFlowLogger"))


def locate(name: str) -> Any:
    """What a `_target_` names. Raises ConfigError outside the allowed names and for names that do not exist."""
    if not isinstance(name, str) or not (name.startswith(OWN) or name in LOGGERS):
        raise ConfigError(f"_target_: expected a name under {OWN} or one of {', '.join(LOGGERS)}, got {name!r}")
    module, _, attribute = name.rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        raise ConfigError(f"_target_: {name}: there is no module {error.name}") from error
    except AttributeError as error:
        raise ConfigError(f"_target_: {name}: {module} has no {attribute}") from error


def build(node: dict[str, Any], *, path: str, **arguments: Any) -> Any:
    """The object a `_target_` node describes, with further keyword arguments; a node marked `_partial_` and given no
    arguments stays a factory. Raises ConfigError, with `path` in front, for what its constructor refuses.
    """
    try:
        # Arguments are passed by ourselves, since Hydra would turn dataclasses among them into dictionaries.
        factory = instantiate({**_without_labels(node), "_partial_": True}, _convert_="all")
        return factory if node.get("_partial_") and not arguments else factory(**arguments)
    except (InstantiationException, ValueError, TypeError) as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        if isinstance(cause, WhenceError):
            raise cause from error
        raise ConfigError(f"{path}: {cause}") from error


def build_model(spec: dict[str, Any], *, vocab_size: int) -> GPT:
    """The model of a specification as it stands in a configuration or a checkpoint. Raises ConfigError.

    The names it may build are narrower than elsewhere, since a checkpoint can come from anywhere.
    """
    for name in _targets(spec):
        if not name.startswith(MODELS):
            raise ConfigError(f"model: expected _target_ under {MODELS}, got {name!r}")
    model = build(spec, path="model", vocab_size=vocab_size)
    if not isinstance(model, nn.Module):
        raise ConfigError(f"model._target_: expected a model, got {spec.get('_target_')!r}")
    return model  # type: ignore[return-value]


def _targets(node: Any) -> list[str]:
    if isinstance(node, list):
        return [name for child in node for name in _targets(child)]
    if not isinstance(node, dict):
        return []
    own = [str(node["_target_"])] if "_target_" in node else []
    return own + [name for child in node.values() for name in _targets(child)]


def _without_labels(node: dict[str, Any]) -> dict[str, Any]:
    """The node and its allowed targets, without the labels that only name a choice."""
    if "_target_" in node and not str(node["_target_"]).startswith(OWN):
        locate(node["_target_"])
        return node
    if "_target_" in node:
        locate(node["_target_"])
        node = {key: value for key, value in node.items() if key not in LABELS}
    return {key: _without_labels(value) if isinstance(value, dict) else value for key, value in node.items()}
