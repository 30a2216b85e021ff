"""The course's written questions on attention, measured: a table, a figure a claim, and what every design costs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from copy import deepcopy
from functools import cache
from typing import Any

from omegaconf import OmegaConf

from whence import build
from whence.config.compose import compose
from whence.config.groups import options
from whence.explore import cost, heads, mixing, order
from whence.explore.claims import Claim
from whence.models.gpt import GPT
from whence.reporting.figures import curves
from whence.reporting.page import Section, write_page
from whence.reporting.tables import show
from whence.run import Run
from whence.stages.common import into

log = logging.getLogger(__name__)

_VOCABULARY = 256  # the real corpus'


def explore(run: Run) -> None:
    """Measure every claim, print the tables, and write explore.md, PNGs and a dashboard into the folder `into`."""
    folder = into(run)
    costs = [cost.measure(name, length, design) for name in options("attention") for length in cost.LENGTHS]
    claims = [
        mixing.copying(),
        mixing.averaging(),
        mixing.extracting(),
        heads.spreads(positive=True),
        heads.spreads(positive=False),
        mixing.building(),
        *map(order.permuting, order.KINDS),
        order.rotating(),
        order.repeating(),
        *cost.growing(costs),
    ]
    claimed, costly = _claims_table(claims), _costs_table(costs)
    for title, table in {"Attention explored": claimed, "What each design costs": costly}.items():
        show(title, *table, width=200)
    about = (
        f"{cost.LAYERS} layers of width {cost.WIDTH}, one sequence, without embedding and head; a perceiver has "
        f"{cost.LATENTS} latents (an aligned one T / 2). Parameters: of the whole model, block 128, "
        f"{_VOCABULARY} characters."
    )
    sections = [
        Section("Claims", [], *claimed),
        *(Section(claim.name, [f"{claim.says}."], figure=curves(claim.curves, claim.says)) for claim in claims),
        Section(
            "What each design costs",
            [about],
            *costly,
            figure=curves(cost.times(costs), "time of a forward pass through the layers"),
        ),
    ]
    introduction = "Measured by `python train.py stage=explore`."
    page = write_page(folder, "explore", "Attention explored", introduction, sections)
    failed = [claim.name for claim in claims if not claim.holds]
    log.info("%d of %d claims hold%s", len(claims) - len(failed), len(claims), "".join(f"; not: {n}" for n in failed))
    log.info("%s", page)


@cache
def _reference(name: str) -> Any:
    return OmegaConf.to_container(compose(["data=cs224n", f"attention={name}"]).model, resolve=True)


def design(name: str, length: int) -> GPT:
    """A design at the reference size for sequences of `length`; its other options as in its YAML."""
    spec = deepcopy(_reference(name)) | {"block_size": length}
    if "columns" in spec["attention"]:
        spec["attention"]["columns"] = length  # all of them, and not one less as the course's data need
    if "bottleneck" in spec["layers"]:
        spec["layers"]["bottleneck"] = length // 2 if spec["layers"]["aligned"] else min(cost.LATENTS, length)
    return build.build_model(spec, vocab_size=_VOCABULARY)


def parameters(name: str) -> int:
    """Of the whole model at the reference size."""
    return build.build_model(_reference(name), vocab_size=_VOCABULARY).parameter_count()


Rows = tuple[Sequence[str], Sequence[Sequence[str]]]


def _claims_table(claims: list[Claim]) -> Rows:
    rows = []
    for claim in claims:
        sign = ">=" if claim.at_least else "<="
        verdict = "holds" if claim.holds else "does not hold"
        rows.append((claim.says, claim.quantity, f"{claim.measured:.3g}", f"{sign} {claim.bound:g}", verdict))
    return ("claim", "measured", "value", "bound", ""), rows


def _costs_table(costs: list[cost.Cost]) -> Rows:
    """Parameters, then million multiply-adds and milliseconds at each length."""
    headings = ("attention", "parameters", *(f"T={t}: M madd, ms" for t in cost.LENGTHS))
    rows = []
    for name in dict.fromkeys(c.name for c in costs):
        own = {c.length: c for c in costs if c.name == name}
        cells = [f"{own[t].multiply_adds / 1e6:,.0f}, {1000 * own[t].seconds:.1f}" for t in cost.LENGTHS]
        rows.append((name, f"{parameters(name):,}", *cells))
    return headings, rows
