"""Figures that are no numbers are found, whenever they are looked at."""

import math

import pytest
import torch

from whence.errors import TrainingError
from whence.training.watch import Watch

NAN = torch.tensor(math.nan)


def note(watch, step, *figures):
    for what, figure in zip(("loss", "gradient"), figures, strict=False):
        watch.note(what, figure, step, torch.tensor([step, 10 * step]))


def test_a_processor_looks_before_a_step_is_taken():
    watch = Watch()
    note(watch, 1, torch.tensor(1.0), torch.tensor(2.0))
    with pytest.raises(TrainingError, match=r"the gradient became nan at step 2 \(\[2, 20\]\); nothing was saved"):
        note(watch, 2, torch.tensor(1.0), NAN)


def test_of_a_device_the_first_bad_step_is_named():
    watch = Watch(every_steps=5)
    for step in range(1, 6):
        note(watch, step, torch.tensor(math.inf if step == 3 else 1.0), NAN if step >= 3 else torch.tensor(1.0))
    with pytest.raises(TrainingError, match=r"the loss became inf at step 3 \(\[3, 30\]\)"):
        watch.look()


def test_a_figure_is_read_once():
    watch = Watch(every_steps=100)
    note(watch, 1, NAN)
    with pytest.raises(TrainingError, match="step 1"):
        watch.look()
    watch.look()
    note(watch, 2, torch.tensor(1.0))
    watch.look()


def test_until_then_nothing_is_read():
    """The meta device raises when it is."""
    watch = Watch(every_steps=3)
    for step in (1, 2, 3, 4):
        note(watch, step, torch.empty((), device="meta"))
    with pytest.raises(NotImplementedError, match="meta"):
        watch.look()
