"""Pictures, drawn without a screen."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure


def attention_maps(pictures: Sequence[tuple[str, torch.Tensor]], text: str) -> Figure:
    """One row of panels a layer, one panel a head. pictures: a name and weights (H, queries, keys); where a side is as
    long as the text, it is marked with its characters."""
    layers, heads = len(pictures), pictures[0][1].shape[0]
    figure = Figure(figsize=(2.2 * heads + 0.6, 2.2 * layers + 0.8), layout="constrained")
    axes = figure.subplots(layers, heads, squeeze=False)
    for row, (name, maps) in enumerate(pictures):
        for head in range(heads):
            axis = axes[row][head]
            axis.imshow(maps[head].float().cpu().numpy(), cmap="viridis", vmin=0, vmax=1, interpolation="nearest")
            axis.set_title(f"{name}, head {head + 1}", fontsize=7)
            queries, keys = maps.shape[1:]
            _mark_characters(
                axis, text, x=row == layers - 1 and keys == len(text), y=head == 0 and queries == len(text)
            )
    figure.suptitle(f"What each character attends to: {text}", fontsize=9)
    return figure


def accuracy_bars(rows: Sequence[tuple[str, float, float, float]], baselines: dict[str, float]) -> Figure:
    """Accuracy in per cent by model: (label, mean, low, high), and the baselines as lines."""
    figure = Figure(figsize=(8, 0.5 * len(rows) + 1.8), layout="constrained")
    axis = figure.subplots()
    places = range(len(rows))
    means = [100 * row[1] for row in rows]
    spread = [[100 * (row[1] - row[2]) for row in rows], [100 * (row[3] - row[1]) for row in rows]]
    axis.barh(places, means, color="#4c72b0", height=0.6)
    axis.errorbar(means, places, xerr=spread, fmt="none", ecolor="#222222", capsize=3)
    for style, (name, value) in zip(("--", ":"), baselines.items(), strict=False):
        axis.axvline(100 * value, color="#c44e52", linestyle=style, label=f"{name} {100 * value:.1f}%")
    axis.set_yticks(places, [f"{row[0]}   {100 * row[1]:.1f}%" for row in rows])
    axis.invert_yaxis()
    axis.set_xlim(0, 100)
    axis.set_xlabel("dev questions answered exactly (%), with 95% interval")
    if baselines:
        axis.legend(fontsize=8, loc="upper right")
    return figure


def _mark_characters(axis: Axes, text: str, *, x: bool, y: bool) -> None:
    ticks = range(len(text))
    size = 120 / max(24, len(text))
    axis.set_xticks(ticks if x else [], list(text) if x else [], fontsize=size)
    axis.set_yticks(ticks if y else [], list(text) if y else [], fontsize=size)
    axis.tick_params(length=0, pad=1)
