"""Where a pretraining step goes on this processor: `python -m benchmarks.profile [key=value ...]`.

Takes a configuration as train.py does (packed, without clipping) and prints the time of each kind of
operation in a step, and two floors: the products of matrices with weights, forward and back, at the rate at which this
machine multiplies such matrices; and the bytes that must pass through memory (what is kept for the way back, written
and read once, and AdamW's seven walks over four bytes a parameter) at the rate at which it copies.
"""

from __future__ import annotations

import sys
import time

import torch
from torch.profiler import profile
from torch.utils.flop_counter import FlopCounterMode

from whence import build
from whence.config.compose import compose
from whence.reporting.tables import show
from whence.run import prepare
from whence.stages.common import build_model, load_data
from whence.training.devices import pick_precision
from whence.training.module import LanguageModel
from whence.vocab import PAD_ID

STEPS = 4
KINDS = {  # by a part of the operation's name
    "matrix products": ("aten::mm", "aten::addmm"),
    "attention": ("scaled_dot_product", "bmm", "aten::_softmax"),
    "gelu": ("aten::gelu",),
    "norms": ("layer_norm",),
    "loss": ("log_softmax", "nll_loss"),
    "copies and conversions": ("aten::copy_", "aten::index_copy", "aten::index_select", "aten::cat"),
    "elements": ("aten::add", "aten::mul", "aten::sum", "aten::ge_"),  # residuals' and dropout's
}


def main(overrides: list[str]) -> int:
    run = prepare(compose(["stage=pretrain", *overrides]), overrides)
    torch.set_num_threads(run.config.trainer.threads or torch.get_num_threads())
    data = load_data(run)
    data.plan(STEPS, lambda: 0)
    model = build_model(run, data, None)
    optimizer = build.build(run.plain["optimizer"], path="optimizer", model=model)
    module = LanguageModel(
        model=model, spec={}, vocab=data.vocab, seed=0, optimizer=optimizer, factor=lambda step: 1.0, packed=True
    )
    halved = pick_precision(run.plain["trainer"]) == "bf16-mixed"
    products = torch.autocast("cpu", torch.bfloat16, enabled=halved)
    batches = list(data.train_dataloader())
    seconds = {"forward": 0.0, "backward": 0.0, "optimizer": 0.0}

    def steps() -> None:
        for batch in batches:
            marks = [time.perf_counter()]
            with products:
                loss = module.loss(batch)
            marks.append(time.perf_counter())
            optimizer.zero_grad()
            loss.backward()
            marks.append(time.perf_counter())
            optimizer.step()
            marks.append(time.perf_counter())
            for name, start, end in zip(seconds, marks, marks[1:], strict=False):
                seconds[name] += (end - start) / STEPS

    steps()
    seconds = dict.fromkeys(seconds, 0.0)
    steps()
    whole = sum(seconds.values())
    with profile() as found:
        steps_seconds, seconds = seconds, dict.fromkeys(seconds, 0.0)
        steps()
    spent = dict.fromkeys(KINDS, 0.0)
    for event in found.key_averages():
        kind = next((k for k, parts in KINDS.items() if any(part in event.key for part in parts)), None)
        if kind:
            spent[kind] += event.self_cpu_time_total / 1e6 / STEPS
    characters = sum(int((batch.inputs != PAD_ID).sum()) for batch in batches) / STEPS
    kept: dict[int, int] = {}  # bytes by address: a tensor may be kept by several operations

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.data_ptr()] = max(kept.get(tensor.data_ptr(), 0), tensor.nbytes)
        return tensor

    size = 0
    with FlopCounterMode(display=False) as counted:
        for batch in batches:
            kept.clear()
            with products, torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
                loss = module.loss(batch)
            size += 2 * sum(kept.values()) // STEPS
            loss.backward()
    size += 7 * 4 * model.parameter_count()
    products = {torch.ops.aten.mm, torch.ops.aten.addmm}
    operations = sum(n for kind, n in counted.get_flop_counts()["Global"].items() if kind in products) / STEPS
    rate = _rate(int(characters), run.config.model.n_embd, torch.bfloat16 if halved else torch.float32)
    floor = operations / rate
    rows = [(name, f"{1000 * value:.0f}") for name, value in {**steps_seconds, **spent, "a step": whole}.items()]
    rows.append((f"floor: {operations / 1e9:.3g} GFLOP at {rate / 1e9:.0f} GFLOP/s", f"{1000 * floor:.0f}"))
    pace = _pace()
    rows.append((f"floor: {size / 1e6:.0f} MB at {pace / 1e9:.1f} GB/s", f"{1000 * size / pace:.0f}"))
    show(f"{characters:,.0f} real characters a step", ("what", "ms"), rows, right_from=1)
    return 0


def _pace() -> float:
    """Bytes a second, read and written ones, of the best of ten copies that no cache holds."""
    source = torch.ones(2**26)
    target = torch.empty_like(source)
    best = float("inf")
    for _ in range(10):
        started = time.perf_counter()
        target.copy_(source)
        best = min(best, time.perf_counter() - started)
    return 2 * source.nbytes / best


def _rate(rows: int, width: int, dtype: torch.dtype) -> float:
    """Floating point operations a second of the best of ten products of the MLP's size."""
    x, weight = torch.randn(rows, width, dtype=dtype), torch.randn(width, 4 * width, dtype=dtype)
    best = float("inf")
    for _ in range(10):
        started = time.perf_counter()
        x @ weight
        best = min(best, time.perf_counter() - started)
    return 2 * rows * width * 4 * width / best


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
