"""Pictures and logs of what is hidden: patches, tokens, by several terms."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hrda_models import hrda_config
from mmengine.hooks import Hook
from PIL import Image
from tiny_runs import runner
from tiny_transformers import (
    rein_config,
    transformer_segmentor,
    vit_config,
)

from mmuda.models import unwrap
from mmuda.models.segmentors import View
from mmuda.registry import HOOKS, MODELS

PICTURES = dict(type='DomainVisualizationHook', interval=1)
TOKENS = dict(type='MaskedConsistency', block_size='token', augmentation=False)
BLOCKS = dict(
    type='MaskedConsistency',
    block_size=8,
    augmentation=False,
    # Or nothing would be sure enough.
    threshold=None,
)
# Of images of 33x41 pixels in the target, beside 33x49 of the source.
WIDTH, SOURCE_WIDTH, GAP = 41, 49, 6
# Normalised by 127.5.
GREY = 128


@HOOKS.register_module()
class KeepOutputsHook(Hook):
    """Keep what an iteration logs, and the tokens that it has masked."""

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ):
        self.outputs, self.data = outputs, data_batch
        backbone = unwrap(unwrap(runner.model).segmentor).backbone
        self.token_mask = getattr(backbone, 'token_mask', None)


def trained(folder, segmentor=None, *terms):
    """Outputs of an iteration and the row of what was learned."""
    model = dict(entropy_weights=dict(decode=0.1), terms=[*terms])
    if segmentor is None:
        model = dict(terms=[*terms])
    run = runner(
        folder,
        1,
        [PICTURES, dict(type='KeepOutputsHook')],
        segmentor=segmentor,
        model=model,
    )
    run.train()
    (kept,) = (h for h in run.hooks if isinstance(h, KeepOutputsHook))
    path = Path(run.work_dir, 'vis_data/domains/iter_1_target_learned.png')
    return kept, np.asarray(Image.open(path))


def tiles_of(picture, count):
    """The last tiles of a row, the title above them left out."""
    step = WIDTH + GAP
    assert picture.shape[1] == SOURCE_WIDTH + count * step
    starts = range(picture.shape[1] - count * step + GAP, 10**6, step)
    return [picture[:, s : s + WIDTH] for s in starts][:count]


@pytest.mark.parametrize('backbone', [vit_config(), rein_config()])
def test_masked_tokens_are_grey_in_the_picture(tmp_path, backbone):
    kept, picture = trained(tmp_path, transformer_segmentor(backbone), TOKENS)
    # 33x41 pixels are shown as 2x2 patches of 14.
    assert kept.token_mask.shape == (1, 2, 2)
    hidden = kept.token_mask.repeat_interleave(17, 1)[:, :33]
    hidden = hidden.repeat_interleave(21, 2)[0, :, :41].numpy()
    image = kept.data['inputs']['target'][0].flip(0).permute(1, 2, 0).numpy()
    expected = np.where(hidden[..., None], GREY, image)
    # Target, pseudo-label, confidence, masked, prediction.
    tile = tiles_of(picture, 5)[3]
    assert any(
        (tile[top : top + 33] == expected).all()
        for top in range(len(tile) - 33)
    )


def test_several_terms_have_logs_and_pictures_of_their_own(tmp_path):
    own = dict(BLOCKS, share_teacher=False, mask_ratio=0.2)
    kept, picture = trained(tmp_path, None, BLOCKS, own, BLOCKS)
    names = ('masked', 'masked_2', 'masked_3')
    losses = [kept.outputs[f'target.{n}.decode.loss_ce'] for n in names]
    assert len({loss.item() for loss in losses}) == 3
    shares = {n for n in kept.outputs if n.endswith('pseudo_label_weight')}
    places = ('target', 'target.masked_2', 'target.masked_3')
    assert shares == {f'{place}.pseudo_label_weight' for place in places}
    # Target, pseudo-label, confidence, three of masks, prediction.
    first, second, third = tiles_of(picture, 7)[3:6]
    assert (first != second).any()
    assert (first != third).any()


def test_terms_on_other_domains_are_no_others(tmp_path):
    source = dict(BLOCKS, mode='source', threshold='host')
    kept, _ = trained(tmp_path, None, BLOCKS, source)
    for name in ('target', 'source'):
        assert f'{name}.masked.decode.loss_ce' in kept.outputs
    assert not any('masked_2' in name for name in kept.outputs)


def test_tokens_of_the_context_are_shown_of_hrda():
    head = transformer_segmentor()['decode_head']
    config = hrda_config(
        backbone=vit_config(input_scale=14 / 16),
        decode_head=head,
        attention_head=head,
        detail_crop_size=(32, 64),
        crop_multiple=32,
    )
    network = MODELS.build(config).train()
    images = torch.randn(2, 3, 96, 128)
    seen = network(View(images, ('decode',), mask_ratio=0.5))
    # At half the size, a patch stands for 32 pixels of the image.
    assert seen.token_mask.shape == (2, 3, 4)
    assert network.backbone.token_mask.shape == (2, 2, 4)
    assert network(View(images, ('decode',))).token_mask is None
