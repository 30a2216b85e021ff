"""The command line: Hydra in front, one-line errors behind. Imports neither torch nor Lightning before a run starts, so
that --help, --cfg and tab completion answer at once."""

from __future__ import annotations

import os
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

from whence.config.compose import CONF, register_attention_names
from whence.errors import Interrupted, StorageError, WhenceError

_DISK = {"ENOSPC": "the disk is full", "EROFS": "the disk is read-only", "EACCES": "no permission", "EDQUOT": "quota"}


def main() -> int:
    """Run `python train.py ...`. Returns the exit code."""
    register_attention_names()
    wants_traceback = "debug=true" in sys.argv or os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra re-raises instead of printing its own report
    try:
        _hydra_main()
    except (HydraException, OmegaConfBaseException) as error:
        from whence.config.messages import explain

        if wants_traceback:
            raise
        return _fail(explain(error), 2)
    except Interrupted as stop:
        print(f"{stop.message}; the same command goes on from there", file=sys.stderr)
        return int(stop.code or 75)
    except SystemExit as stop:
        return int(stop.code or 0)
    except KeyboardInterrupt:
        return _fail("interrupted; the same command goes on from the last checkpoint", 130)
    except WhenceError as error:
        if wants_traceback:
            raise
        return _fail(str(error), error.exit_code)
    if "whence.sweep" in sys.modules:
        from whence.sweep import finish

        return finish()
    return 0


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def _hydra_main(config: DictConfig) -> float | None:
    """One job. In a sweep a failing job leaves a note and the others go on."""
    from whence.logs import set_up

    set_up()
    overrides = list(HydraConfig.get().overrides.task)
    sweeping = HydraConfig.get().mode == RunMode.MULTIRUN
    if not sweeping:
        with _OneLineErrors(debug=bool(config.get("debug"))):
            return _accuracy(_job(config, overrides, sweeping))
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
    note_job(folder, state="completed", overrides=overrides, runs=result.get("runs") or [result["folder"]])
    return _accuracy(result)


def _accuracy(result: dict[str, Any]) -> float | None:
    """What a sweeper that searches is to raise."""
    return result.get("dev", {}).get("accuracy")


class _OneLineErrors:
    """Turns whatever escapes a single run into one line on stderr and an exit code."""

    def __init__(self, *, debug: bool) -> None:
        self.debug = debug

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, Exception) and not self.debug:
            raise SystemExit(_fail(one_line(error), getattr(_as_ours(error), "exit_code", 70))) from None


def one_line(error: BaseException) -> str:
    """An error in one line; one that is no fault of the user's says how to see more."""
    ours = _as_ours(error)
    if isinstance(ours, WhenceError):
        return " ".join(str(ours).split("\n"))
    text = str(error).strip().splitlines()
    return (
        f"{type(error).__name__}: {text[0] if text else ''} (a defect of whence or its set-up; debug=true shows where)"
    )


def _as_ours(error: BaseException) -> BaseException:
    import errno

    if isinstance(error, OSError) and error.errno is not None:
        name = errno.errorcode.get(error.errno, "")
        if name in _DISK:
            return StorageError(f"{error.filename or 'a file'}: {_DISK[name]}; free it, then give the command again")
    if isinstance(error, OmegaConfBaseException):
        from whence.config.messages import explain
        from whence.errors import ConfigError

        return ConfigError(explain(error))
    return error


def _fail(message: str, code: int) -> int:
    print(f"error: {message}", file=sys.stderr)
    return code
