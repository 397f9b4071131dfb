"""A tiny model of the co-training procedure and batches for it."""

import torch
from mmengine.optim import build_optim_wrapper
from mmengine.structures import PixelData
from tiny_models import (
    NUM_CLASSES,
    model_config,
    sample,
    segmentor_config,
)

from mmuda.registry import MODELS

SIZE = (32, 48)
DEMAND = dict(classes='demand')
# Class 3 is the hardest, then 1, 4, 0 and 2.
THRESHOLDS = [0.8, 0.6, 0.9, 0.5, 0.7]


def config(portion=0.2, norm_eval=False, **kwargs):
    segmentor = segmentor_config(norm_eval=norm_eval)
    for head in ('decode_head', 'auxiliary_head'):
        weight = segmentor[head]['loss_decode']['loss_weight']
        segmentor[head]['loss_decode'] = dict(
            type='HardPixelCrossEntropyLoss',
            portion=portion,
            loss_weight=weight,
        )
    return model_config('CoTraining', segmentor=segmentor, **kwargs)


def build(**kwargs):
    torch.manual_seed(0)
    model = MODELS.build(config(**kwargs))
    model.init_weights()
    return model.train()


def blocks(generator, size=SIZE):
    """A label of 8x8 blocks, as real ones have regions; some void."""
    small = torch.randint(
        0,
        NUM_CLASSES + 1,
        (1, size[0] // 8, size[1] // 8),
        generator=generator,
    )
    small[small == NUM_CLASSES] = 255
    return small.repeat_interleave(8, 1).repeat_interleave(8, 2)


def domain_samples(domain, count, generator, size=SIZE):
    pairs = [sample(size, generator, labelled=False) for _ in range(count)]
    for _, data_sample in pairs:
        data = PixelData(data=blocks(generator, size))
        if domain == 'source':
            data_sample.gt_sem_seg = data
        else:
            data_sample.pseudo_sem_seg = data
    return pairs


def batch(sources=4, targets=3, seed=0, target='target', target_size=SIZE):
    """A training batch as the data loader gives it."""
    generator = torch.Generator().manual_seed(seed)
    pairs = {'source': domain_samples('source', sources, generator)}
    if targets:
        pairs[target] = domain_samples(
            'target', targets, generator, target_size
        )
    return {
        key: {name: [p[i] for p in both] for name, both in pairs.items()}
        for i, key in enumerate(('inputs', 'data_samples'))
    }


def optimizers(model, **wrapper):
    sgd = dict(
        type='OptimWrapper',
        optimizer=dict(type='SGD', lr=0.02, momentum=0.9, weight_decay=0.1),
    )
    return build_optim_wrapper(
        model,
        dict(
            constructor='MultiOptimWrapperConstructor',
            segmentor=sgd | wrapper,
        ),
    )
