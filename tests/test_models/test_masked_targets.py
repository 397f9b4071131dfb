"""MIC's masked consistency on methods of several targets."""

import collaborative_models
import pytest
import torch
import torch.nn.functional as F
from several_targets import NAMES, optimizers, softly_labelled

BLOCKS = torch.rand(1, 1, 4, 5, generator=torch.Generator().manual_seed(3))
RATIO = 0.5


@pytest.mark.parametrize('method', collaborative_models.METHODS)
def test_each_target_is_masked_for_the_heads_that_learn_it(method):
    term = dict(
        type='MaskedConsistency',
        block_size=8,
        mask_ratio=RATIO,
        threshold=None,
        augmentation=False,
    )
    model = collaborative_models.build(method, terms=[term]).double()
    model.terms[0].draw_blocks = lambda *_: BLOCKS
    domains = model.data_preprocessor(softly_labelled(2), True).targets
    expected = {}
    for name in NAMES[:2]:
        images = domains[name].images.double()
        size = images.shape[2:]
        with torch.no_grad():
            logits = model.teacher.predict_logits(images)
            labels = model.upsample(logits, images).argmax(1)
            kept = F.interpolate((BLOCKS > RATIO).double(), size)
            heads = model.heads_on(name)
            seen = model.segmentor(images * kept, heads=heads).logits
        for head, logits in seen.items():
            pixels = F.cross_entropy(model.upsample(logits, images), labels)
            weight = model.segmentor.heads()[head].loss_decode.loss_weight
            expected[f'{name}.masked.{head}.loss_ce'] = weight * pixels
    logs = model.train_step(softly_labelled(2), optimizers(model))
    for name, value in expected.items():
        assert logs[name].item() == pytest.approx(value.item(), rel=1e-6)
    assert logs[f'{NAMES[0]}.pseudo_label_weight'] == 1
