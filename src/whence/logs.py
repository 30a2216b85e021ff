"""Where messages go: warnings and progress to the terminal in plain words, everything into the run's train.log."""

from __future__ import annotations

import contextlib
import logging
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

ROOT = logging.getLogger("whence")


class _Plain(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        prefix = "warning: " if record.levelno == logging.WARNING else ""
        return prefix + record.getMessage()


def set_up() -> None:
    """Send our messages to the terminal."""
    if not any(isinstance(handler.formatter, _Plain) for handler in ROOT.handlers):
        console = logging.StreamHandler(sys.stderr)
        console.setFormatter(_Plain())
        console.addFilter(lambda record: not getattr(record, "quiet", False))
        ROOT.addHandler(console)
    ROOT.setLevel(logging.INFO)
    ROOT.propagate = False


def quieten_libraries() -> None:
    """Keep the libraries' advice, which a user cannot follow, off the terminal. They must be imported by then."""
    for name in ("pytorch_lightning", "lightning_fabric", "lightning.pytorch", "torch.distributed"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for module in ("pytorch_lightning", "lightning_fabric", "torch"):
        warnings.filterwarnings("ignore", module=rf"{module}(\..*)?")


@contextlib.contextmanager
def log_file(path: Path) -> Iterator[None]:
    """Copy every message into a file meanwhile."""
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    ROOT.addHandler(handler)
    try:
        yield
    except Exception:
        ROOT.error("the run ended with an error", exc_info=True, extra={"quiet": True})
        raise
    finally:
        ROOT.removeHandler(handler)
        handler.close()
