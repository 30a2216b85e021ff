"""The drawback of one head: keys whose length varies make its average jump, and two heads do not.

Keys k_i ~ N(mu_i, Sigma_i), mu_i orthonormal, Sigma_i = alpha I, but Sigma_a = alpha I + mu_a mu_a^T / 2. One head asks
q = t (mu_a + mu_b); two ask q1 = t mu_a and q2 = t mu_b, and their c is the mean of both.
"""

from __future__ import annotations

import torch

from whence.explore.claims import Claim, Curves, attention, generator, orthonormal

SIZE = 64
KEYS = 8
SAMPLES = 4000
ALPHA = 1e-6
SCALE = 50.0
SHOWN = 500


def spreads(*, positive: bool) -> Claim:
    """The variance of c over draws of the keys with two heads, as a share of one head's.

    positive: on the draws where k_a . q > 0 only; in the others k_a points away and no head can find it.
    """
    draw = generator(5)
    means, values = orthonormal(KEYS, SIZE, draw), orthonormal(KEYS, SIZE, draw)
    lengths = 1 + 0.5**0.5 * torch.randn(SAMPLES, generator=draw, dtype=torch.float64)
    noise = ALPHA**0.5 * torch.randn(SAMPLES, KEYS, SIZE, generator=draw, dtype=torch.float64)
    keys = means + noise
    keys[:, 0] += (lengths - 1)[:, None] * means[0]
    both = values.expand(SAMPLES, -1, -1)

    def asked(query: torch.Tensor) -> torch.Tensor:
        return attention(query.expand(SAMPLES, -1), keys, both)

    one = asked(SCALE * (means[0] + means[1]))
    two = (asked(SCALE * means[0]) + asked(SCALE * means[1])) / 2
    kept = keys[:, 0] @ (means[0] + means[1]) > 0 if positive else torch.ones(SAMPLES, dtype=torch.bool)
    variance = [float(c[kept].var(dim=0).sum()) for c in (one, two)]
    shares = {
        name: (lengths[kept][:SHOWN].tolist(), (c[kept][:SHOWN] @ values[0]).tolist())
        for name, c in (("one head", one), ("two heads", two))
    }
    where = "where k_a . q > 0" if positive else "on all draws"
    return Claim(
        name="two heads" if positive else "two heads, all draws",
        says=f"keys of varying length: two heads average with a fraction of one head's variance, {where}",
        quantity=f"variance of c, two heads / one head ({variance[1]:.3f} / {variance[0]:.3f})",
        measured=variance[1] / variance[0],
        bound=0.05 if positive else 0.15,
        curves=Curves("length of k_a along mu_a", "share of v_a in c", shares, points=True),
    )
