"""Errors a user can cause: one line (where, expected, got, remedy) and an exit code. No traceback unless debug=true."""


class WhenceError(Exception):
    """Base of every error that is told in one line. `exit_code` follows sysexits.h where it has a number."""

    exit_code = 70


class ConfigError(WhenceError):
    """A key, value or combination in the configuration is wrong."""

    exit_code = 2


class DataError(WhenceError):
    """The content of a data file or checkpoint is wrong."""

    exit_code = 65


class MissingInput(WhenceError):  # noqa: N818
    """A file, run or checkpoint that is needed does not exist."""

    exit_code = 66


class HardwareError(WhenceError):
    """The machine cannot do what the configuration asks for."""

    exit_code = 69


class TrainingError(WhenceError):
    """Training produced a loss or gradient that is not a finite number."""

    exit_code = 71


class StorageError(WhenceError):
    """The disk is full, read-only or failing."""

    exit_code = 74


class BusyError(WhenceError):
    """Another process is at work in the same run directory."""

    exit_code = 73


class Interrupted(SystemExit):
    """A signal stopped the run after its state was saved; the same command goes on from there.

    A `SystemExit` and not an `Exception`, so that Hydra's sweeper ends the sweep instead of starting the next job.
    """

    def __init__(self, message: str) -> None:
        super().__init__(75)
        self.message = message

    def __str__(self) -> str:
        return self.message
