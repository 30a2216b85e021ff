"""What is picked for a run where its configuration leaves it open."""

import subprocess
import sys

import pytest
import torch

from whence.errors import HardwareError
from whence.training import devices

OFFICIAL = 3_323_392 * 14_950 * 128  # parameters times samples
RECALL = 3_290_624 * 2_300 * 64
OPEN = {"compile": None, "precision": "auto", "accelerator": "cpu", "devices": 1, "num_nodes": 1}


@pytest.mark.parametrize(
    ("changed", "work", "compiled"),
    [
        ({}, OFFICIAL, True),
        ({}, RECALL, False),
        ({"compile": True}, RECALL, True),
        ({"compile": False}, OFFICIAL, False),
        ({"precision": "32-true"}, OFFICIAL, False),
        ({"devices": 2}, OFFICIAL, False),
    ],
)
def test_long_runs_are_compiled_where_it_was_measured(changed, work, compiled, monkeypatch):
    monkeypatch.setattr(devices, "fast_in_bfloat16", lambda device: True)
    monkeypatch.setattr(devices, "can_compile", lambda: True)
    assert devices.pick_compile(OPEN | changed, work) == compiled


def test_without_a_compiler_a_long_run_is_not_compiled(monkeypatch):
    monkeypatch.setattr(devices, "fast_in_bfloat16", lambda device: True)
    monkeypatch.setattr(devices, "can_compile", lambda: False)
    assert not devices.pick_compile(OPEN, OFFICIAL)


def test_whether_compiling_works_is_found_by_trying(tmp_path):
    """A process of its own, with a compiler that fails and a cache that is empty."""
    called = subprocess.run(
        [sys.executable, "-c", "from whence.training.devices import can_compile; print(can_compile())"],
        env={"CXX": "/bin/false", "PATH": "", "TORCHINDUCTOR_CACHE_DIR": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert called.stdout.split() == ["False"]


def test_what_a_gpu_lacks_is_told_before_a_run(monkeypatch):
    """No GPU here: one that is made up, without Triton and without bfloat16 (this build of torch has neither)."""
    monkeypatch.setattr(devices, "pick_device", lambda accelerator: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)
    trainer = OPEN | {"precision": "32-true", "compile": True}
    monkeypatch.setattr(devices, "has_triton", lambda: True)
    devices.check_trainer(trainer, sweeping=False)
    monkeypatch.setattr(devices, "has_triton", lambda: False)
    with pytest.raises(HardwareError, match="torch.compile needs Triton"):
        devices.check_trainer(trainer, sweeping=False)
    with pytest.raises(HardwareError, match="this GPU has no bfloat16; use 16-mixed"):
        devices.check_trainer(OPEN | {"precision": "bf16-mixed"}, sweeping=False)
