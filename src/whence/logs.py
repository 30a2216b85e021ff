"""Where messages go: warnings and progress to the terminal in plain words, everything into the run's train.log."""

from __future__ import annotations

import contextlib
import logging
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

from whence.errors import Interrupted
from whence.origin import global_rank

ROOT = logging.getLogger("whence")


class _Plain(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        prefix = "warning: " if record.levelno == logging.WARNING else ""
        return prefix + record.getMessage()


class _Recorder(logging.Handler):
    """Keeps what is said before a run has a directory, for its train.log."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


_before = _Recorder()


def set_up() -> None:
    """Send our messages to the terminal, once where several processes make one run."""
    if not any(isinstance(handler.formatter, _Plain) for handler in ROOT.handlers):
        console = logging.StreamHandler(sys.stderr)
        console.setFormatter(_Plain())
        console.addFilter(lambda record: not getattr(record, "quiet", False))
        ROOT.addHandler(console)
    ROOT.setLevel(logging.INFO if global_rank() == 0 else logging.ERROR)
    ROOT.propagate = False


def quieten_libraries() -> None:
    """Keep the libraries' advice, which a user cannot follow, off the terminal. They must be imported by then."""
    for name in ("pytorch_lightning", "lightning_fabric", "lightning.pytorch", "torch.distributed"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for module in ("pytorch_lightning", "lightning_fabric", "torch"):
        warnings.filterwarnings("ignore", module=rf"{module}(\..*)?")


@contextlib.contextmanager
def log_file(path: Path) -> Iterator[None]:
    """Copy every message into a file meanwhile, after those since `start_recording`."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    for record in _before.records:
        handler.emit(record)
    stop_recording()
    ROOT.addHandler(handler)
    try:
        yield
    except Interrupted as stop:
        ROOT.info("%s", stop, extra={"quiet": True})
        raise
    except Exception:
        ROOT.error("the run ended with an error", exc_info=True, extra={"quiet": True})
        raise
    finally:
        ROOT.removeHandler(handler)
        handler.close()


def start_recording() -> None:
    """Keep all messages from here on until a log file takes them."""
    _before.records.clear()
    ROOT.addHandler(_before)


def stop_recording() -> None:
    _before.records.clear()
    ROOT.removeHandler(_before)
