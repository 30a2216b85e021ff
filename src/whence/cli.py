"""The command line: Hydra in front, one-line errors behind. Imports neither torch nor Lightning before a run starts, so
that --cfg and tab completion answer at once; --help is answered by train.py."""

from __future__ import annotations

import errno
import os
import re
import sys
import traceback
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from whence.config.compose import register_attention_names
from whence.config.groups import CONF
from whence.errors import ConfigError, Interrupted, StorageError, WhenceError

FREE_TEXT = ("question", "prompt")

_DISK = {
    "ENOSPC": "the disk is full",
    "EROFS": "the disk is read-only",
    "EACCES": "no permission",
    "EDQUOT": "the quota is used up",
}


def main() -> int:
    """Run `python train.py ...`. Returns the exit code."""
    register_attention_names()
    debug = "debug=true" in sys.argv or os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra re-raises instead of printing its own report
    _flags_first()
    sys.argv[1:] = map(quoted, sys.argv[1:])
    # With rerun=true it would begin anew, and throw away what was just saved.
    again = "the same command without rerun=true" if "rerun=true" in sys.argv else "the same command"
    try:
        _hydra_main()
        code = 0
    except Interrupted as stop:
        print(f"{stop}; {again} goes on from there", file=sys.stderr)
        code = 75
    except SystemExit as stop:
        return int(stop.code or 0)
    except KeyboardInterrupt:
        print(f"interrupted; {again} goes on from the last checkpoint", file=sys.stderr)
        code = 130
    except Exception as error:
        code = _tell(error, debug)
    if "whence.sweep" in sys.modules:
        from whence.sweep import finish

        try:
            return max(code, finish(again))
        except Exception as error:
            return max(code, _tell(error, debug))
    return code


def quoted(word: str) -> str:
    """A question or a prompt as it was typed: Hydra would read its commas and brackets as a list of choices."""
    key, equals, text = word.partition("=")
    if key not in FREE_TEXT or not equals or text in ("", "null") or text[0] in "\"'":
        return word
    escaped = re.sub(r'(\\*)("|$)', lambda m: 2 * m[1] + ('\\"' if m[2] else ""), text).replace("${", "\\${")
    return f'{key}="{escaped}"'


def _flags_first() -> None:
    """Let -m stand anywhere: Hydra's parser takes flags only before the first override."""
    flags = [word for word in sys.argv[1:] if word in ("-m", "--multirun")]
    if flags:
        sys.argv[1:] = [flags[0], *(word for word in sys.argv[1:] if word not in flags)]


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def _hydra_main(config: DictConfig) -> float | None:
    """One job. In a sweep a failing job leaves a note and the others go on."""
    from whence.logs import set_up

    set_up()
    overrides = list(HydraConfig.get().overrides.task)
    sweeping = HydraConfig.get().mode == RunMode.MULTIRUN
    if not sweeping:
        try:
            return _accuracy(_job(config, overrides, sweeping))
        except Exception as error:  # told here, before Hydra adds a line of its own
            raise SystemExit(_tell(error, bool(config.get("debug")))) from None
    return _sweep_job(config, overrides)


def _job(config: DictConfig, overrides: list[str], sweeping: bool) -> dict[str, Any]:
    from whence.run import execute, prepare

    return execute(prepare(config, overrides, sweeping=sweeping))


def _sweep_job(config: DictConfig, overrides: list[str]) -> float | None:
    from whence.sweep import note_job

    folder = Path(HydraConfig.get().runtime.output_dir)
    try:
        result = _job(config, overrides, True)
    except Exception as error:
        (folder / "error.log").write_text(traceback.format_exc(), encoding="utf-8")
        said = one_line(error)
        note_job(folder, state="failed", overrides=overrides, error=f"{said} ({folder / 'error.log'})")
        print(f"error: {said}", file=sys.stderr)
        return float("nan")
    runs = result.get("runs", [result["folder"]] if "folder" in result else [])
    note_job(folder, state="completed", overrides=overrides, runs=runs)
    return _accuracy(result)


def _accuracy(result: dict[str, Any]) -> float | None:
    """What a sweeper that searches is to raise."""
    return result.get("dev", {}).get("accuracy")


def one_line(error: BaseException) -> str:
    """An error in one line; one that is no fault of the user's says how to see more."""
    ours = _as_ours(error)
    if isinstance(ours, WhenceError):
        said = str(ours).strip().split("\n")
        # What a loader's process raised comes with its traceback; the last line has the error itself.
        return said[-1].partition(": ")[2] if said[0].startswith("Caught ") else " ".join(said)
    text = str(error).strip().splitlines()
    return (
        f"{type(error).__name__}: {text[0] if text else ''} (a defect of whence or its set-up; debug=true shows where)"
    )


def _as_ours(error: BaseException) -> BaseException:
    """The error as one that a user can act on, where it is one of those."""
    if isinstance(error, OSError) and error.errno is not None:
        name = errno.errorcode.get(error.errno, "")
        if name in _DISK:
            return StorageError(
                f"{error.filename or 'a file'}: {_DISK[name]}; change that, then give the command again"
            )
    if isinstance(error, HydraException | OmegaConfBaseException):
        from whence.config.messages import explain

        return ConfigError(explain(error))
    return error


def _tell(error: BaseException, debug: bool) -> int:
    """Print an error in one line, after its traceback if wanted. Returns the exit code."""
    if debug:
        traceback.print_exception(error)
    if isinstance(error, BrokenPipeError):  # whoever read the output has enough of it, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # what a shell calls SIGPIPE
    print(f"error: {one_line(error)}", file=sys.stderr)
    ours = _as_ours(error)
    return ours.exit_code if isinstance(ours, WhenceError) else 70
