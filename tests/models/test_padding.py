import pytest
import torch

from models.padding import frame_mask, pad_batch, silence_padding


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


@pytest.mark.parametrize("width", [1, 3])
def test_padding_is_silenced_in_place(width: int) -> None:
    hidden = torch.full((3, 5, width), torch.nan)
    for row, length in enumerate((5, 2, 0)):
        hidden[row, :length] = 7.0
    silent = silence_padding(hidden, torch.tensor([5, 2, 0]))
    assert silent.data_ptr() == hidden.data_ptr()
    assert silent.sum(dim=(1, 2)).tolist() == [35.0 * width, 14.0 * width, 0.0]
