"""Tables, for a screen and for Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

_WIDE = 160  # columns of a log file


def markdown(headings: Sequence[str], rows: Sequence[Sequence[str]], *, right_from: int | None = None) -> list[str]:
    """The lines of a table; columns from number `right_from` on are set to the right."""
    aligned = ["---" if right_from is None or n < right_from else "--:" for n in range(len(headings))]
    return ["| " + " | ".join(map(_cell, row)) + " |" for row in (headings, aligned, *rows)]


def show(
    title: str,
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right_from: int | None = None,
    width: int = _WIDE,
) -> None:
    """Print a table: as wide as the terminal, or `width` where there is none."""
    table = Table(title=title, title_justify="left")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="left" if right_from is None or number < right_from else "right")
    for row in rows:
        table.add_row(*map(escape, row))
    console = Console(highlight=False)
    (console if console.is_terminal else Console(width=width, highlight=False)).print(table)


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")
