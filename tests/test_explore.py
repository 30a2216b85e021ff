"""The exploration as a stage: its page, its figures, its dashboard."""

import re

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from whence.config.groups import options
from whence.explore import cost


def test_it_writes_a_page_with_its_figures(do, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(cost, "LENGTHS", (32, 64))
    monkeypatch.setattr("whence.stages.explore.options", lambda group: ["vanilla", "perceiver", "perceiver_aligned"])
    do("stage=explore")
    folder = tmp_path / "outputs" / "explore"
    page = (folder / "explore.md").read_text(encoding="utf-8")
    assert page.count("| holds |") + page.count("| does not hold |") == 14
    figures = re.findall(r"\]\((\w+\.png)\)", page)
    assert len(figures) == 15
    for name in figures:
        assert (folder / name).read_bytes().startswith(b"\x89PNG")
    events = EventAccumulator(str(folder / "explore-tb")).Reload()
    assert len(events.Tags()["images"]) == 15
    said = capsys.readouterr().out
    assert "Attention explored" in said
    assert "3,323,392" in said
    do("stage=explore")
    assert len(list((folder / "explore-tb").iterdir())) == 1, "the dashboard is written anew"


def test_every_design_has_its_row():
    from whence.stages.explore import design

    for name in options("attention"):
        assert design(name, 32).parameter_count() > 2_000_000
