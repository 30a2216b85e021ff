"""The course's own weights: the names and shapes of its `state_dict`s, as in the `.params` files of CS224N's assignment
(2021 to 2025), and ours.

    course                                          ours
    pos_emb (1, T, C)                               positions.table (T, C)
    blocks.N.*                                      layers.blocks.N.*, in a perceiver layers.middle.blocks.N.*
    down_block.C (1, M, C)                          layers.latents
    down_block.{ln1,ln2,mlp}.*, down_block.attn.*   layers.down_{ln1,ln2,mlp}.*, layers.down.*; up_block likewise
    *.attn.mask, *.attn.rope_cache                  computed here, and no weights

Everything else has the same name. A perceiver's cross-attention is often called otherwise than `attn`, and
torch.compile and DataParallel put prefixes in front; both are read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch

from whence.models.attention.rope import rotations

Weights = dict[str, torch.Tensor]

VARIANTS = ("vanilla", "synthesizer", "rope", "perceiver")

_PREFIXES = re.compile(r"^(?:module\.|_orig_mod\.)+")
_COMPUTED = re.compile(r"\.(?:mask|rope_cache)$")
_CROSS = re.compile(r"^(down|up)_block\.(\w+)\.((?:query|key|value|proj)\.\w+)$")
_AROUND = re.compile(r"^(down|up)_block\.(ln1|ln2|mlp)\.(.+)$")
_OURS_CROSS = re.compile(r"^layers\.(down|up)\.(.+)$")
_OURS_AROUND = re.compile(r"^layers\.(down|up)_(ln1|ln2|mlp)\.(.+)$")


def is_course(state: Any) -> bool:
    """Whether what a file holds looks like the state_dict of the course's GPT."""
    return isinstance(state, Mapping) and "tok_emb.weight" in _unprefixed(state)


def variant(state: Mapping[str, torch.Tensor]) -> str:
    """The attention design whose weights these are, by their names."""
    state = _unprefixed(state)
    if "down_block.C" in state:
        return "perceiver"
    if "blocks.0.attn.w1.weight" in state:
        return "synthesizer"
    return "vanilla" if "pos_emb" in state else "rope"


def sizes(state: Mapping[str, torch.Tensor]) -> dict[str, int]:
    """What the shapes tell of the model, by configuration key."""
    state = _unprefixed(state)
    name = variant(state)
    blocks = {key.split(".")[1] for key in state if key.startswith("blocks.")}
    found = {
        "model.n_layer": len(blocks) + (2 if name == "perceiver" else 0),
        "model.n_embd": state["tok_emb.weight"].shape[1],
    }
    if "pos_emb" in state:
        found["model.block_size"] = state["pos_emb"].shape[1]
    if name == "perceiver":
        found["model.layers.bottleneck"] = state["down_block.C"].shape[1]
    if name == "synthesizer":
        w2 = state["blocks.0.attn.w2"]
        found |= {"model.n_head": found["model.n_embd"] // w2.shape[-2], "model.attention.columns": w2.shape[-1]}
    if (cache := state.get("blocks.0.attn.rope_cache")) is not None:
        found |= {"model.block_size": len(cache), "model.n_head": found["model.n_embd"] // (2 * cache.shape[1])}
    return found


def from_course(state: Mapping[str, torch.Tensor]) -> Weights:
    """The weights under our names."""
    state = _unprefixed(state)
    blocks = "layers.middle.blocks." if "down_block.C" in state else "layers.blocks."
    weights = {}
    for key, tensor in state.items():
        if _COMPUTED.search(key):
            continue
        if key == "pos_emb":
            weights["positions.table"] = tensor[0]
        elif key == "down_block.C":
            weights["layers.latents"] = tensor
        elif match := _CROSS.match(key):
            weights[f"layers.{match[1]}.{match[3]}"] = tensor
        elif match := _AROUND.match(key):
            weights[f"layers.{match[1]}_{match[2]}.{match[3]}"] = tensor
        else:
            weights[re.sub(r"^blocks\.", blocks, key)] = tensor
    return weights


def to_course(weights: Mapping[str, torch.Tensor], spec: Mapping[str, Any]) -> Weights:
    """The state_dict that the course's code loads, with its buffers; `spec` is the model's configuration.

    Raises ValueError for designs that the course does not have.
    """
    name, block = spec["name"], spec["block_size"]
    if name not in VARIANTS:
        raise ValueError(f"the course has {', '.join(VARIANTS)} and no {name}; use format=safetensors")
    if spec["attention"].get("per_head"):
        raise ValueError("the course's synthesizer has one w2 for all heads, this one has per_head; use safetensors")
    state: Weights = {}
    for key, tensor in weights.items():
        if key == "positions.table":
            state["pos_emb"] = tensor[None]
        elif key == "layers.latents":
            state["down_block.C"] = tensor
        elif match := _OURS_AROUND.match(key):
            state[f"{match[1]}_block.{match[2]}.{match[3]}"] = tensor
        elif match := _OURS_CROSS.match(key):
            state[f"{match[1]}_block.attn.{match[2]}"] = tensor
        else:
            state[re.sub(r"^layers\.(?:middle\.)?blocks\.", "blocks.", key)] = tensor
    inner = spec["layers"].get("bottleneck", block)
    for attention in sorted({key.rpartition(".attn.")[0] for key in state if ".attn." in key}):
        length = inner if attention.startswith("blocks.") else block
        state[f"{attention}.attn.mask"] = torch.ones(length, length).tril()[None, None]
        if name == "rope":
            head_size = spec["n_embd"] // spec["n_head"]
            state[f"{attention}.attn.rope_cache"] = torch.stack(
                rotations(block, head_size, spec["attention"]["base"]), -1
            )
    return state


def rope_base_differs(state: Mapping[str, torch.Tensor], base: float) -> bool:
    """Whether the angles that the weights were trained with are others than those of `base`."""
    cache = _unprefixed(state).get("blocks.0.attn.rope_cache")
    if cache is None:
        return False
    expected = torch.stack(rotations(len(cache), 2 * cache.shape[1], base), -1)
    return not torch.allclose(cache.float(), expected, atol=1e-3)


def _unprefixed(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {_PREFIXES.sub("", str(key)): tensor for key, tensor in state.items()}
