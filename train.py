"""Whence's one command; `python train.py --help` tells what it can do."""

import sys

if __name__ == "__main__":
    try:
        if {"-h", "--help"} & set(sys.argv[1:]):
            from whence.config.groups import help_page

            sys.exit(print(help_page()))
        from whence.cli import main
    except ModuleNotFoundError as error:
        fix = "'make install' sets up .venv, then call .venv/bin/python train.py"
        sys.exit(f"error: {error.name} is not installed; {fix}")
    sys.exit(main())
