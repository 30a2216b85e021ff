"""Checks a composed configuration before anything starts: unknown keys (Hydra's advice for a typo is to append it),
wrong types, values out of range. Nodes with a `_target_` are checked against the signature of what they build."""

from __future__ import annotations

import difflib
import inspect
import math
import types
import typing
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from whence.errors import ConfigError

LABELS = ("name", "size")  # label a choice in `_target_` nodes; not options of what is built
NODES = ("attention", "positions")  # hold a choice of their own
MARKS = ("_target_", "_partial_")


@dataclass(frozen=True)
class Field:
    """What a plain key may hold; null only where `optional`."""

    kinds: tuple[type, ...]
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    optional: bool = False
    of: tuple[type, ...] = ()  # of a list: what it may hold, if that matters

    def problem(self, value: Any) -> str | None:
        """What is wrong with a value, as `expected ..., got ...`, or None."""
        if value is None:
            return None if self.optional else f"expected {self.wanted}, got nothing"
        if not isinstance(value, self.kinds) or (isinstance(value, bool) and bool not in self.kinds):
            return f"expected {self.wanted}, got {value!r}"
        if isinstance(value, list) and self.of and (wrong := [v for v in value if type(v) not in self.of]):
            return f"expected {' or '.join(PLURALS[kind] for kind in self.of)} in the list, got {wrong[0]!r}"
        if isinstance(value, list) and (wrong := [v for v in value if isinstance(v, int) and v < 0]):
            return f"expected whole numbers of at least 0 in the list, got {wrong[0]}"
        if self.choices and value not in self.choices:
            return f"expected {self.wanted}, got {value}{near(str(value), self.choices)}"
        if isinstance(value, int | float) and not self.low <= value <= self.high:
            return f"expected {self.wanted}, got {value}"
        return None

    @property
    def wanted(self) -> str:
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        words = {int: "a whole number", float: "a number", str: "text", bool: "true or false", list: "a list"}
        text = " or ".join(words[kind] for kind in self.kinds if not (kind is int and float in self.kinds))
        if self.low > -math.inf:
            text += f" of at least {self.low:g}" if self.high == math.inf else f" from {self.low:g} to {self.high:g}"
        return text + (" or null" if self.optional else "")


COUNT = Field((int,), low=1)
TEXT = Field((str,))
OPTIONAL_TEXT = Field((str,), optional=True)
FLAG = Field((bool,))
RATE = Field((int, float), low=1e-12, high=10)
PLURALS = {int: "whole numbers", str: "texts"}
PRECISIONS = ("auto", "32-true", "bf16-mixed", "16-mixed")

FIELDS: dict[str, Field] = {
    "name": OPTIONAL_TEXT,
    "seed": Field((int,), low=0, high=2**32 - 1),
    "run_root": TEXT,
    "run_dir": OPTIONAL_TEXT,
    "init_from": TEXT,
    "rerun": FLAG,
    "debug": FLAG,
    "checkpoint.every_seconds": Field((int, float), low=0),
    "question": OPTIONAL_TEXT,
    "questions": OPTIONAL_TEXT,
    "samples": COUNT,
    "prompt": OPTIONAL_TEXT,
    "length": COUNT,
    "temperature": Field((int, float), low=0, high=100),
    "top_k": Field((int,), low=1, optional=True),
    "run": OPTIONAL_TEXT,
    "format": Field((str,), choices=("cs224n", "safetensors")),
    "into": OPTIONAL_TEXT,
    "runs": Field((list,), of=(str,)),
    "against": OPTIONAL_TEXT,
    "abstain_below": Field((int, float), low=0, high=1),
    "report.runs": TEXT,
    "report.into": TEXT,
    "stage.name": TEXT,
    "stage.action": TEXT,
    "stage.init_from_stage": OPTIONAL_TEXT,
    "chain": Field((list,)),
    "stage.ignores": Field((list,)),
    "recipe.name": TEXT,
    "trainer.name": TEXT,
    "trainer.accelerator": Field((str,), choices=("auto", "cpu", "gpu", "mps")),
    "trainer.devices": Field((int,), low=1),
    "trainer.num_nodes": COUNT,
    "trainer.strategy": Field((str,), choices=("auto", "ddp")),
    "trainer.precision": Field((str,), choices=PRECISIONS),
    "trainer.max_steps": Field((int,), low=1, optional=True),
    "trainer.accumulate_grad_batches": COUNT,
    "trainer.packed": Field((bool,), optional=True),
    "trainer.compile": Field((bool,), optional=True),
    "trainer.num_workers": Field((int,), low=0),
    "trainer.threads": Field((int,), low=1, optional=True),
    "recipe.pretrain.teachers": Field((list,), of=(int, str)),
    "recipe.pretrain.taught": Field((int, float), low=0, high=1),
    "recipe.finetune.epochs_from_scratch": COUNT,
    "recipe.finetune.held_out": Field((int,), low=0, high=90),
    "recipe.finetune.trains": Field((str,), choices=("all", "norms_and_biases")),
} | {
    f"recipe.{stage}.{key}": field
    for stage in ("pretrain", "finetune")
    for key, field in {"epochs": COUNT, "batch_size": COUNT, "lr": RATE, "shuffle": Field((bool,))}.items()
}

TARGETS = ("model", "corruption", "pretraining", "optimizer", "schedule", "data", "datamodule", "logger")


def validate(config: dict[str, Any], locate: Callable[[str], Any]) -> None:
    """Raise one ConfigError for the first wrong key or value of a composed, resolved configuration.

    `locate` maps the name of a `_target_` to what it names, or raises ConfigError.
    """
    known = [*FIELDS, *(f"{name}.{key}" for name in TARGETS for key, _ in _leaves(config.get(name)))]
    # `training` only repeats a part of `recipe`: a mistake is told where it was made.
    for key, value in _leaves({k: v for k, v in config.items() if k not in (*TARGETS, "training")}):
        if (field := FIELDS.get(key)) is None:
            raise ConfigError(f"unknown key {key}{near(key, known)}")
        if problem := field.problem(value):
            raise ConfigError(f"{key}: {problem}")
    for name in TARGETS:
        _check_node(name, config.get(name), locate)
    _check_together(config)


def _check_together(config: dict[str, Any]) -> None:
    """What is right by itself and not beside another choice."""
    bare = config["training"].get("trains") == "norms_and_biases" and config["init_from"] != "none"
    if bare and config["optimizer"].get("name") == "muon":
        raise ConfigError(
            "optimizer: muon needs matrices to train, and recipe.finetune.trains=norms_and_biases trains none; leave "
            "optimizer=muon out (experiment=recall pretrains with it by itself), or set recipe.finetune.trains=all"
        )


def near(word: str, known: Iterable[str]) -> str:
    """` (did you mean X?)` for the nearest known word, or nothing."""
    options = list(known)
    found = difflib.get_close_matches(word, options, n=1, cutoff=0.75)
    if not found:  # the last part alone may be spelled well but stand in the wrong place
        tail = word.rsplit(".", 1)[-1]
        tails = {option.rsplit(".", 1)[-1]: option for option in reversed(options)}
        found = [tails[match] for match in difflib.get_close_matches(tail, tails, n=1, cutoff=0.8)]
    return f" (did you mean {found[0]}?)" if found else ""


def _leaves(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict) and (node or not prefix):
        for key, value in node.items():
            yield from _leaves(value, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, node


def _check_node(path: str, node: Any, locate: Callable[[str], Any]) -> None:
    if not isinstance(node, dict):
        if isinstance(node, str):
            raise ConfigError(
                f"{path}: expected a choice, got the text {node!r}; write {path.replace('.', '/')}={node}"
            )
        return
    if "_target_" not in node:
        for key, child in node.items():
            _check_node(f"{path}.{key}", child, locate)
        return
    target = locate(node["_target_"])
    signature = inspect.signature(target)
    open_ended = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    hints = _hints(target)
    for key, value in node.items():
        if isinstance(value, str) and key in NODES:
            raise ConfigError(f"{path}.{key}: expected a choice, got {value!r}; write {path}/{key}={value}")
        if key in MARKS or (key in LABELS and key not in signature.parameters):
            continue
        if key not in signature.parameters and not open_ended:
            known = [f"{path}.{name}" for name in signature.parameters]
            raise ConfigError(f"unknown key {path}.{key}{near(f'{path}.{key}', known)}")
        if isinstance(value, dict):
            _check_node(f"{path}.{key}", value, locate)
        elif not _fits(value, hints.get(key, Any)):
            raise ConfigError(f"{path}.{key}: expected {_spell(hints[key])}, got {value!r}")


def _hints(target: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(target.__init__ if inspect.isclass(target) else target)
    except (NameError, TypeError):  # foreign code with names that exist for type checkers only
        return {}


def _fits(value: Any, hint: Any) -> bool:
    """Whether a plain value fits an annotation; annotations other than plain types and unions of them fit always."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, option) for option in typing.get_args(hint))
    if hint is None or hint is type(None):
        return value is None
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if hint in (str, bool):
        return isinstance(value, hint)
    return True


def _spell(hint: Any) -> str:
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false", type(None): "null"}
    return " or ".join(names.get(option, str(option)) for option in typing.get_args(hint) or (hint,))
