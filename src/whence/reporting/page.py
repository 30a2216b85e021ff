"""A page of findings: a title, what it says in words, a table and a figure each; Markdown, PNG and a dashboard."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure
from torch.utils.tensorboard import SummaryWriter

from whence.reporting.tables import markdown
from whence.storage import write_atomically


@dataclass(frozen=True)
class Section:
    """One finding. `headings` and `rows` are of its table; `figure` may be missing."""

    title: str
    says: Sequence[str]
    headings: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    figure: Figure | None = None

    @property
    def file(self) -> str:
        return re.sub(r"\W+", "_", self.title.lower()).strip("_")


def write_page(folder: Path, name: str, title: str, introduction: str, sections: Sequence[Section]) -> Path:
    """Write `name`.md, a PNG for each figure and a dashboard in `folder`/`name`-tb; returns the path of the page."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / f"{name}-tb", ignore_errors=True)
    writer = SummaryWriter(folder / f"{name}-tb")
    lines = [f"# {title}", "", introduction, ""]
    for section in sections:
        lines += [f"## {section.title}", ""]
        lines += [text for says in section.says for text in (says, "")]
        if section.rows:
            lines += [*markdown(section.headings, section.rows), ""]
        if section.figure is not None:
            content = io.BytesIO()
            section.figure.savefig(content, format="png", dpi=110)
            write_atomically(folder / f"{section.file}.png", content.getvalue())
            writer.add_figure(f"{name}/{section.file}", section.figure)
            lines += [f"![{section.title}]({section.file}.png)", ""]
    page = "\n".join(lines)
    writer.add_text(name, page)
    writer.close()
    write_atomically(folder / f"{name}.md", page.encode())
    return folder / f"{name}.md"
