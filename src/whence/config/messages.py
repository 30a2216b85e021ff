"""Says in one line what Hydra and OmegaConf say in several, with the nearest name that exists."""

from __future__ import annotations

import re
from typing import Any

from omegaconf import OmegaConf

from whence.config.compose import CONF, compose
from whence.config.validate import FIELDS, near


def explain(error: BaseException) -> str:
    """One line for an error of the composition; `key`, what is wrong, and what was probably meant."""
    text = _chain(error)
    if match := re.search(r"Could not override '([^']+)'", text) or re.search(r"Key '([^']+)' is not in struct", text):
        return f"unknown key {match[1]}{near(match[1], _keys())}"
    if match := re.search(r"Could not find '([^']+)'", text):
        group, _, option = match[1].rpartition("/")
        options = _options(group)
        return f"{group}: there is no {option}; choose one of {', '.join(options)}{near(option, options)}"
    if "no viable alternative" in text or "mismatched input" in text or "token recognition" in text:
        line = text.splitlines()[0]
        return (
            f"cannot read the command line: {line}; quote values with spaces, twice: 'question=\"Where was X born?\"'"
        )
    first = text.splitlines()[0]
    return re.sub(r"^In '[^']+': ", "", first)


def _chain(error: BaseException) -> str:
    parts = [str(error)]
    while error.__cause__ is not None:
        error = error.__cause__
        parts.append(str(error))
    return "\n".join(parts)


def _options(group: str) -> list[str]:
    folder = CONF / ("model/attention" if group == "attention" else group)
    return sorted(path.stem for path in folder.glob("*.yaml"))


def _keys() -> list[str]:
    """Every key there is: of every stage, attention and data set, and the groups."""
    found = dict.fromkeys(FIELDS)
    choices = [f"{group}={option}" for group in ("stage", "attention", "data") for option in _options(group)]
    for choice in choices:
        found |= dict.fromkeys(_leaves(OmegaConf.to_container(compose([choice]))))
    groups = [str(path.relative_to(CONF)) for path in CONF.rglob("*") if path.is_dir()]
    return [*found, *groups, "attention"]


def _leaves(node: Any, prefix: str = "") -> list[str]:
    if not isinstance(node, dict):
        return [prefix]
    return [leaf for key, child in node.items() for leaf in _leaves(child, f"{prefix}.{key}" if prefix else key)]
