"""What this machine can do, asked before anything starts."""

from __future__ import annotations

import logging
import os
import shutil
from typing import Any

import torch
from torch.utils._triton import has_triton

from whence.errors import ConfigError, HardwareError

log = logging.getLogger(__name__)

_LONG = 2 * 10**12  # parameters times samples: half an hour of two cores; the course's pretraining has 6 10^12


def check_trainer(trainer: dict[str, Any], *, sweeping: bool) -> None:
    """Refuse what this machine or this kind of run cannot do. Raises HardwareError or ConfigError."""
    device = pick_device(trainer["accelerator"])
    precision, devices = trainer["precision"], trainer["devices"]
    if precision == "16-mixed" and device.type == "cpu":
        raise HardwareError("trainer.precision=16-mixed needs a GPU; use bf16-mixed or 32-true")
    if precision.startswith("bf16") and device.type == "cuda" and not fast_in_bfloat16(device):
        raise HardwareError(f"trainer.precision={precision}: this GPU has no bfloat16; use 16-mixed or 32-true")
    if precision.startswith("bf16") and device.type == "cpu" and not fast_in_bfloat16(device):
        log.warning("trainer.precision=%s: this processor has no bfloat16 arithmetic, 32-true is far faster", precision)
    if device.type == "cuda" and devices > torch.cuda.device_count():
        raise HardwareError(
            f"trainer.devices: expected at most {torch.cuda.device_count()} (visible GPUs), got {devices}"
        )
    if trainer["compile"] and device.type == "cpu" and not shutil.which(os.environ.get("CXX", "g++")):
        raise HardwareError("trainer.compile: torch.compile needs a C++ compiler, found none; install g++ or set CXX")
    if trainer["compile"] and device.type == "cuda" and not has_triton():
        raise HardwareError("trainer.compile: torch.compile needs Triton on this GPU; leave it out: trainer=gpu")
    if device.type == "mps" and devices > 1:
        raise HardwareError(f"trainer.devices: this machine has one GPU, got {devices}")
    if sweeping and devices * trainer["num_nodes"] > 1:
        raise ConfigError(
            "trainer.devices: each job of a sweep runs on one device, for its processes would each start the sweep "
            "again; use trainer.devices=1 with launcher=joblib or launcher=slurm"
        )


def pick_device(accelerator: str) -> torch.device:
    """The device that an accelerator's name stands for. Raises HardwareError when it is not there."""
    if accelerator == "gpu" and not torch.cuda.is_available():
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "not set")
        raise HardwareError(f"trainer: no CUDA GPU is visible (CUDA_VISIBLE_DEVICES is {visible}); use trainer=cpu")
    if accelerator == "mps" and not torch.backends.mps.is_available():
        raise HardwareError("trainer: this machine has no Apple silicon GPU; use trainer=cpu or trainer=gpu")
    if accelerator == "auto":
        accelerator = "gpu" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    return torch.device({"gpu": "cuda"}.get(accelerator, accelerator))


def pick_precision(trainer: dict[str, Any]) -> str:
    """What Lightning is to be told: `auto` is bfloat16 for products where the device multiplies it fast."""
    if trainer["precision"] != "auto":
        return str(trainer["precision"])
    return "bf16-mixed" if fast_in_bfloat16(pick_device(trainer["accelerator"])) else "32-true"


def pick_compile(trainer: dict[str, Any], work: int) -> bool:
    """Whether to compile the model; what is left open is decided by the work, parameters times samples of the run.

    Compiling takes a minute or two and saves a tenth of each step: tried where that was measured, on a processor with
    bfloat16, for runs of half an hour or more there.
    """
    if trainer["compile"] is not None:
        return bool(trainer["compile"])
    alone = trainer["devices"] * trainer["num_nodes"] == 1
    measured = pick_device(trainer["accelerator"]).type == "cpu" and pick_precision(trainer) == "bf16-mixed"
    return work >= _LONG and alone and measured and can_compile()


def can_compile() -> bool:
    """Whether torch.compile works here, by trying it: it needs a compiler, Python's headers and a writable cache."""
    try:
        torch.compile(lambda x: x.sin() + 1)(torch.zeros(64))
    except Exception as error:  # whatever it is that compilers and headers lack, the run does without
        log.info("not compiled, which would save a tenth of the time: %s", str(error).strip().splitlines()[0])
        return False
    return True


def fast_in_bfloat16(device: torch.device) -> bool:
    """Whether products of bfloat16 matrices are faster than those of float32; on other processors far slower."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and (torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def describe_device(device: torch.device) -> str:
    """For result.json: the card's name, or the processor's kind and the threads in use."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type}, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}"
