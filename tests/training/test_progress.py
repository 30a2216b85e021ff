"""The lines that a run tells of itself while it trains."""

import logging
import re
from pathlib import Path
from types import SimpleNamespace

from whence.training import progress


def test_the_time_left_is_told_from_steps_that_are_past_the_first(do, monkeypatch, caplog):
    """A first step that takes a minute, since it compiles, would promise weeks."""
    caplog.set_level(logging.INFO, "whence")
    clock = iter([0.0, 60.0, 66.0, 72.0, 78.0, 84.0])
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    folder = do("stage=pretrain", "trainer.max_steps=5")["folder"]
    told = [line for line in (Path(folder) / "train.log").read_text().splitlines() if "samples/s" in line]
    assert len(told) == 5
    assert "left" not in told[0]
    assert [re.search(r"(\S+) left", line)[1] for line in told[1:]] == ["00:00:18", "00:00:12", "00:00:06", "00:00:00"]
