"""Pictures, drawn without a screen."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from whence.evaluation.calibration import Calibration
from whence.evaluation.exact_match import Score
from whence.explore.claims import Curves

_KINDS = ("#2a7f62", "#8cc5a2", "#d98e4a", "#8d8d8d")  # right, supported, made up, nonsense
_LINE = 36  # characters of a label before it goes on below, or it would leave no room for bars
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
    names = [_broken(row[0]) for row in rows]
    figure = Figure(figsize=(8, 0.5 * len(rows) + 0.15 * "".join(names).count("\n") + 1.8), layout="constrained")
    axis = figure.subplots()
    places = range(len(rows))
    means = [100 * row[1] for row in rows]
    spread = [[100 * (row[1] - row[2]) for row in rows], [100 * (row[3] - row[1]) for row in rows]]
    axis.barh(places, means, color="#4c72b0", height=0.6)
    axis.errorbar(means, places, xerr=spread, fmt="none", ecolor="#222222", capsize=3)
    for style, (name, value) in zip(("--", ":"), baselines.items(), strict=False):
        axis.axvline(100 * value, color="#c44e52", linestyle=style, label=f"{name} {100 * value:.1f}%")
    axis.set_yticks(places, [f"{name}   {100 * row[1]:.1f}%" for name, row in zip(names, rows, strict=True)])
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


def shares(rows: Sequence[tuple[str, Sequence[float]]], kinds: Sequence[str]) -> Figure:
    """Stacked bars of shares that make one, a bar a label."""
    figure = Figure(figsize=(8, 0.6 * len(rows) + 1.8), layout="constrained")
    axis = figure.subplots()
    starts = [0.0] * len(rows)
    for number, kind in enumerate(kinds):
        widths = [100 * parts[number] for _, parts in rows]
        axis.barh(range(len(rows)), widths, left=starts, label=kind, color=_KINDS[number], height=0.6)
        starts = [start + width for start, width in zip(starts, widths, strict=True)]
    axis.set_yticks(range(len(rows)), [_broken(label) for label, _ in rows])
    axis.invert_yaxis()
    axis.set_xlim(0, 100)
    axis.set_xlabel("answers (%)")
    figure.legend(loc="outside lower center", ncols=2, fontsize=8)
    return figure


def calibration(runs: Sequence[tuple[str, Calibration]]) -> Figure:
    """Accuracy against probability, and the share of wrong answers against the share of questions answered."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    sure, risk = figure.subplots(1, 2)
    sure.plot([0, 100], [0, 100], color="#999999", linewidth=1)
    for label, found in runs:
        bins = found.bins()
        sure.plot([100 * p for p, _, _ in bins], [100 * a for _, a, _ in bins], "o-", label=_broken(label))
        coverage, wrong = found.risk_coverage()
        risk.plot(100 * coverage, 100 * wrong, label=_broken(label))
    sure.set_xlabel("probability of the answer (%)")
    sure.set_ylabel("right (%)")
    risk.set_xlabel("questions answered, the most certain first (%)")
    risk.set_ylabel("wrong answers among them (%)")
    for axis in (sure, risk):
        axis.set_xlim(0, 100)
        axis.set_ylim(0, 100)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8)
    return figure


def grouped(panels: Sequence[tuple[str, Sequence[dict[str, Score]]]], labels: Sequence[str]) -> Figure:
    """Accuracy by group with Wilson's intervals, a panel for each way to group, a colour for each run."""
    figure = Figure(figsize=(12, 2.8 * -(-len(panels) // 3)), layout="constrained")
    axes = figure.subplots(-(-len(panels) // 3), 3, squeeze=False).flat
    for (title, scores), axis in zip(panels, axes, strict=False):
        for number, (label, found) in enumerate(zip(labels, scores, strict=True)):
            means = [100 * score.accuracy for score in found.values()]
            reach = [[100 * abs(s.accuracy - s.interval[end]) for s in found.values()] for end in (0, 1)]
            places = [place + 0.2 * number for place in range(len(found))]
            axis.errorbar(means, places, xerr=reach, fmt="o", capsize=3, label=label)
        axis.set_yticks(range(len(scores[0])), [f"{n} ({s.total})" for n, s in scores[0].items()], fontsize=7)
        axis.set_ylim(len(scores[0]) - 0.5, -0.5)
        axis.set_xlim(0, 100)
        axis.set_title(title, fontsize=9)
        axis.grid(alpha=0.3)
    for axis in list(axes):
        axis.set_visible(False)
    figure.supxlabel("right (%)", fontsize=9)
    if len(labels) > 1:
        figure.legend([_broken(label) for label in labels], loc="outside upper center", ncols=len(labels), fontsize=8)
    return figure


def frequencies(rows: Sequence[tuple[str, float, float]], labels: tuple[str, str]) -> Figure:
    """Two shares side by side for each name."""
    figure = Figure(figsize=(8, 0.32 * len(rows) + 1.4), layout="constrained")
    axis = figure.subplots()
    for number, label in enumerate(labels):
        places = [row + 0.2 * (2 * number - 1) for row in range(len(rows))]
        axis.barh(places, [100 * row[1 + number] for row in rows], height=0.4, label=label)
    axis.set_yticks(range(len(rows)), [row[0] for row in rows])
    axis.invert_yaxis()
    axis.set_xlabel("share (%)")
    axis.legend(fontsize=8)
    return figure


def _broken(label: str) -> str:
    return textwrap.fill(label, _LINE, break_on_hyphens=False)
