"""Keyed randomness: every draw is a pure function of (seed, domain, epoch, index), so that no generator has a
state to save and a sample is the same for any number of workers and after any interruption.

Only the raw stream of numpy's Philox is used: numpy promises that the bit generators never change, and does not
promise it for `Generator.integers` or `permutation`.
"""

from __future__ import annotations

import hashlib

import numpy as np

DRAWS = 4  # a Philox block has four uint64; a sample takes one or more blocks


def key(seed: int, domain: str, epoch: int = 0) -> np.ndarray:
    """A 128-bit Philox key, (2,) uint64. Hashed, since adding seed and epoch would give equal streams to pairs."""
    digest = hashlib.blake2b(f"{seed}|{domain}|{epoch}".encode(), digest_size=16).digest()
    return np.frombuffer(digest, dtype="<u8").astype(np.uint64)


def draws(seed: int, domain: str, epoch: int, start: int, stop: int, *, blocks: int = 1) -> np.ndarray:
    """Raw draws of the samples start..stop-1, (stop - start, 4 blocks) uint64. Row i depends on i alone."""
    generator = np.random.Philox(key=key(seed, domain, epoch), counter=start * blocks)
    return generator.random_raw((stop - start) * DRAWS * blocks).reshape(-1, DRAWS * blocks)


class EpochDraws:
    """The draws of single samples, made for a whole epoch at once (32 bytes a block), far cheaper than singly."""

    def __init__(self, seed: int, domain: str, count: int, *, blocks: int = 1) -> None:
        self._seed = seed
        self._domain = domain
        self._count = count
        self._blocks = blocks
        self._epoch = -1
        self._draws = np.empty((0, DRAWS * blocks), dtype=np.uint64)

    def __call__(self, epoch: int, number: int) -> np.ndarray:
        """Of one sample, (4 blocks,) uint64."""
        if self._epoch != epoch:
            self._draws = draws(self._seed, self._domain, epoch, 0, self._count, blocks=self._blocks)
            self._epoch = epoch
        return self._draws[number]


def below(raw: int, bound: int) -> int:
    """An integer in 0..bound-1 from one raw uint64, by multiply and shift (bias below 2**-32 for bound < 2**32)."""
    return ((int(raw) >> 32) * bound) >> 32


def permutation(seed: int, domain: str, epoch: int, count: int) -> np.ndarray:
    """A random order of 0..count-1, int64."""
    raw = np.random.Philox(key=key(seed, domain, epoch)).random_raw(count)
    return np.argsort(raw, kind="stable")


def step_seed(seed: int, step: int, rank: int) -> int:
    """The seed of the model's own randomness (dropout) in one optimizer step's micro-batch."""
    return int(key(seed, f"model rank {rank}", step)[0] >> np.uint64(1))
