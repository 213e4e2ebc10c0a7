import pytest
import torch

from models.padding import frame_mask, pad_batch


def test_pads_with_zeros_and_keeps_lengths() -> None:
    batch, lengths = pad_batch([torch.ones(2, 3), torch.full((4, 3), 2.0)])
    assert batch.shape == (2, 4, 3)
    assert lengths.tolist() == [2, 4]
    assert batch[0].sum(dim=1).tolist() == [3, 3, 0, 0]


def test_no_items_is_a_broken_contract() -> None:
    with pytest.raises(ValueError, match="at least one"):
        pad_batch([])


def test_mask_is_true_on_real_frames() -> None:
    assert frame_mask(torch.tensor([0, 2]), 3).tolist() == [[False] * 3, [True, True, False]]
