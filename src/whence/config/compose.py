"""Composes configurations from conf/, with the short spelling `attention=x` for `model/attention=x`."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from functools import lru_cache
from pathlib import Path

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.initialize import get_gh_backup, restore_gh_from_backup
from omegaconf import DictConfig

from whence.config.groups import CONF, options


def register_attention_names() -> None:
    """Make each file of conf/model/attention an option of the group `attention`, which holds nothing but the name."""
    for name in options("attention"):
        ConfigStore.instance().store(group="attention", name=name, node={}, package="_global_")


def compose(overrides: Sequence[str] = ()) -> DictConfig:
    """The configuration that `python train.py OVERRIDES` would run, without Hydra's own part."""
    return deepcopy(_composed(CONF, tuple(o for o in overrides if not o.lstrip("+~").startswith("hydra"))))


@lru_cache(maxsize=128)
def _composed(conf: Path, overrides: tuple[str, ...]) -> DictConfig:
    """Composing takes a quarter of a second, and naming one run composes its references again and again."""
    register_attention_names()
    around = get_gh_backup()  # inside a run, Hydra's own state is in place and must be there again afterwards
    GlobalHydra.instance().clear()
    try:
        with initialize_config_dir(str(conf), version_base="1.3", job_name="whence"):
            return hydra_compose("config", overrides=list(overrides))
    finally:
        restore_gh_from_backup(around)
