"""Whence's one command; `python train.py --help` tells what it can do."""

import sys

try:
    from whence.cli import main
except ModuleNotFoundError as error:
    sys.exit(f"error: {error.name} is not installed; 'make install' sets up .venv, then call .venv/bin/python train.py")

if __name__ == "__main__":
    sys.exit(main())
