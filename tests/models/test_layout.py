"""Where the positions of a batch stand, packed and in pieces; what models make of them stands in tests/contract."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from whence.models.layout import ROUND, Layout
from whence.vocab import PAD_ID


def padded(lengths):
    """Sequences of these lengths, every id in them another one."""
    ids = torch.full((len(lengths), max(lengths)), PAD_ID)
    for row, length in enumerate(lengths):
        ids[row, :length] = torch.arange(length) + 1 + 1000 * (row + 1)
    return ids


@given(st.lists(st.integers(1, 40), min_size=1, max_size=80))
def test_every_position_stands_in_one_piece_in_its_place(lengths):
    ids = padded(lengths)
    layout = Layout.packed(ids)
    x = layout.gather(ids).flatten()[:, None].double().requires_grad_()
    if layout.parts:
        assert x.numel() % ROUND == 0 or x.numel() == ids.numel()
    else:
        assert len(set(lengths)) == 1
        x = x.detach().view(*ids.shape, 1).requires_grad_()
    pieces = layout.spread(x)
    rows = {}
    for piece, own in zip(layout.pieces, pieces, strict=True):
        assert own.shape == (piece.batch, piece.length, 1)
        assert piece.marks.shape == (piece.batch, piece.length)
        assert piece.length < max(row.count_nonzero() for row in own) + 8, "wider than its longest needs"
        rows |= {int(row[0, 0]) // 1000 - 1: row[:, 0] for row in own}
    assert sorted(rows) == list(range(len(lengths)))
    for number, length in enumerate(lengths):
        assert rows[number][:length].tolist() == ids[number, :length].tolist()
        assert not rows[number][length:].any()
    again = layout.join(pieces)
    real = x.detach() != PAD_ID
    assert torch.equal(again[real], x[real])
    assert not again[~real].any()
    torch.autograd.backward(again.square().sum())
    assert torch.equal(x.grad, 2 * x.detach() * real)


def test_similar_lengths_share_a_piece():
    ids = padded([20, 110, *[20] * 66, 99, 103])
    layout = Layout.packed(ids)
    assert [(piece.batch, piece.length) for piece in layout.pieces] == [(32, 110), (32, 24), (6, 24)]
    sizes = [piece.batch for piece in Layout.packed(padded([5, *[4] * 255])).pieces]
    assert sizes == [64] * 4, "a large batch has no more pieces than a small one"


def test_only_the_positions_asked_for_stay():
    ids = padded([6, 3, 5])
    targets = ids.masked_fill(ids % 2 == 0, PAD_ID)
    layout = Layout.packed(ids, targets)
    asked = layout.only_asked(layout.gather(targets))
    assert sorted(asked[asked != PAD_ID].tolist()) == sorted(targets[targets != PAD_ID].tolist())
