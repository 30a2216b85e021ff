"""Pictures, drawn without a screen."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from whence.explore.claims import Curves

_FEW = 8  # lines that are told apart with ten colours and have room for a legend inside


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


def curves(shown: Curves, title: str) -> Figure:
    """Lines, or points, with a legend where there are several."""
    many = len(shown.series) > _FEW
    figure = Figure(figsize=(8.4 if many else 6.4, 4), layout="constrained")
    axis = figure.subplots()
    axis.set_prop_cycle(color=colormaps["tab20" if many else "tab10"](range(20 if many else 10)))
    for name, (x, y) in shown.series.items():
        axis.plot(x, y, "." if shown.points else "-", label=name, alpha=0.5 if shown.points else 1.0)
    axis.set_xscale("log" if shown.log_x else "linear", **({"base": 2} if shown.log_x else {}))
    axis.set_yscale("log" if shown.log_y else "linear")
    axis.set_xlabel(shown.x)
    axis.set_ylabel(shown.y)
    axis.set_title(title, fontsize=9, wrap=True)
    axis.grid(alpha=0.3)
    if many:
        axis.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    elif len(shown.series) > 1:
        axis.legend(fontsize=7)
    return figure


def _mark_characters(axis: Axes, text: str, *, x: bool, y: bool) -> None:
    ticks = range(len(text))
    size = 120 / max(24, len(text))
    axis.set_xticks(ticks if x else [], list(text) if x else [], fontsize=size)
    axis.set_yticks(ticks if y else [], list(text) if y else [], fontsize=size)
    axis.tick_params(length=0, pad=1)
