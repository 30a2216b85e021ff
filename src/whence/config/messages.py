"""Says in one line what Hydra and OmegaConf say in several, with the nearest name that exists."""

from __future__ import annotations

import re
from typing import Any

from hydra.errors import HydraException, OverrideParseException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from whence.config.compose import compose
from whence.config.groups import folder, groups, options
from whence.config.validate import near


def explain(error: BaseException) -> str:
    """One line for an error of the composition; `key`, what is wrong, and what was probably meant."""
    text = _chain(error)
    if match := re.search(r"Could not override '([^']+)'", text) or re.search(r"Key '([^']+)' is not in struct", text):
        key = match[1]
        # `training` repeats a part of `recipe`, and only there can it be set.
        known = _keys()
        if choice := known.get(key):
            return f"{key}: there is no such key here, only with {choice}; add that"
        return f"unknown key {key}{near(key.replace('training.', 'recipe.pretrain.', 1), known)}"
    if match := re.search(r"Could not find '([^']+)'", text):
        group, _, option = match[1].rpartition("/")
        if group.startswith("hydra/"):
            extra = {"submitit_local": "slurm", "submitit_slurm": "slurm"}.get(option, option)
            return f"{group}: {option} is not installed; pip install -c constraints.txt -e '.[{extra}]'"
        there = options(group)
        return f"{group}: there is no {option}; choose one of {', '.join(there)}{near(option, there)}"
    if isinstance(error, OverrideParseException) or text.startswith("Ambiguous value"):
        line = text.splitlines()[0]
        return f"cannot read the command line: {line}; quote text with spaces, twice: 'question=\"Where was X born?\"'"
    first = text.splitlines()[0]
    return re.sub(r"^In '[^']+': ", "", first)


def _chain(error: BaseException) -> str:
    parts = [str(error)]
    while error.__cause__ is not None:
        error = error.__cause__
        parts.append(str(error))
    return "\n".join(parts)


def _keys() -> dict[str, str]:
    """Every key of every choice but the recipes', and the groups; with the choices that bring it, if some do."""
    try:
        found = dict.fromkeys(_leaves(OmegaConf.to_container(compose())), "")
        packages = {"stage": "", "attention": "model", "data": ""}
        packages |= {group: group for group in ("pretraining", "corruption", "optimizer", "schedule", "logger")}
        for group, package in packages.items():
            for option in options(group):
                own = OmegaConf.to_container(OmegaConf.load(folder(group) / f"{option}.yaml"))
                for key in _leaves(own, package):
                    choice = f"{group}={option}"
                    if found.setdefault(key, choice) not in ("", choice):
                        found[key] += f" or {choice}"
    except (HydraException, OmegaConfBaseException):  # a file in conf/ is broken: the error to be told is that one
        found = {}
    return found | dict.fromkeys([*groups(), "attention"], "")


def _leaves(node: Any, prefix: str = "") -> list[str]:
    if not isinstance(node, dict):
        return [prefix]
    return [leaf for key, child in node.items() for leaf in _leaves(child, f"{prefix}.{key}" if prefix else key)]
