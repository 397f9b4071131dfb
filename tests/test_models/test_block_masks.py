"""Blocks that MIC's masked consistency hides of an image."""

import golden_inputs
import pytest
import torch

from mmuda.models.terms import MaskedConsistency
from mmuda.models.terms.masked_consistency import block_mask
from mmuda.utils.errors import ConfigError


@pytest.fixture(scope='module')
def golden():
    return golden_inputs.load_modern('mask')


@pytest.mark.parametrize('case', ['a', 'odd', 'half', 'none'])
def test_masks_are_the_published_ones(golden, case):
    height, width, block, ratio = golden[f'{case}.size_block_ratio'].tolist()
    size = int(height), int(width)
    term = MaskedConsistency(block_size=int(block), mask_ratio=ratio)
    blocks = golden[f'{case}.uniform']
    assert term.draw_blocks(len(blocks), *size).shape == blocks.shape
    found = block_mask(blocks, size, ratio)
    assert torch.equal(found, golden[f'{case}.mask'].double())


@pytest.mark.parametrize('size', [(128, 128), (96, 128)])
def test_an_image_must_hold_two_blocks(size):
    message = r'block_size=1000: images of 128x.* a single block.* most 64'
    with pytest.raises(ConfigError, match=message):
        MaskedConsistency(block_size=1000).draw_blocks(2, *size)
    blocks = MaskedConsistency(block_size=64).draw_blocks(2, *size)
    assert blocks.shape == (2, 1, 2, 2)
