"""By what a result was made: the code and its libraries, the words that were typed, the sweep and the process."""

from __future__ import annotations

import contextlib
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from whence import __version__

SWEEP_BEGAN = "WHENCE_SWEEP_BEGAN"  # of the environment, which the jobs of every launcher inherit; seconds since 1970


def command(overrides: Sequence[str], *, interpreter: str = "python") -> str:
    """The words that repeat a run, quoted for a shell."""
    return shlex.join([interpreter, "train.py", *overrides])


def versions() -> dict[str, str]:
    names = ("torch", "pytorch-lightning", "hydra-core", "omegaconf", "numpy")
    return {"whence": __version__, "python": platform.python_version()} | {n: metadata.version(n) for n in names}


def git_state() -> dict[str, Any]:
    """The commit of the source tree and whether it was changed since; nulls outside a repository."""

    def git(*words: str) -> str | None:
        folder = Path(__file__).parent
        done = subprocess.run(["git", "-C", folder, *words], capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else None

    try:
        commit, changes = git("rev-parse", "HEAD"), git("status", "--porcelain", "--untracked-files=no")
    except OSError:  # git is not installed
        return {"commit": None, "dirty": None}
    return {"commit": commit, "dirty": None if changes is None else bool(changes)}


def python() -> str:
    """How this interpreter is called from where the user stands, for the commands that are printed."""
    executable = Path(sys.executable)
    with contextlib.suppress(ValueError):
        return str(executable.relative_to(Path.cwd()))
    return "python"


def global_rank() -> int:
    """Zero for the main process of a run and for no other."""
    for name in ("RANK", "SLURM_PROCID"):
        if os.environ.get(name, "").isdigit():
            return int(os.environ[name])
    # Lightning's own launcher numbers nodes and the processes of each; only the very first has both at zero.
    return max(int(os.environ.get(name) or 0) for name in ("NODE_RANK", "LOCAL_RANK"))
