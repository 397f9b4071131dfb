"""Small models of DACS, their batches, and draws that tests choose."""

import torch
from mmengine.optim import build_optim_wrapper
from tiny_models import (
    batch,
    model_config,
    optim_config,
    segmentor_config,
)

from mmuda.models.augmentation import AugmentationDraws
from mmuda.models.uda import DACS
from mmuda.registry import MODELS
from mmuda.utils.setup_env import register_all_modules

SIZE = (33, 49)
# What is surely drawn of any probability, so that its share says something.
SURE = 0.5


@MODELS.register_module()
class ChosenDACS(DACS):
    """DACS whose classes and augmentation are those of each image."""

    def draw_classes(self, labels):
        """Odd classes where the first pixel is even, and the other way."""
        chosen = torch.zeros(len(labels), 256, dtype=torch.bool)
        for row, label in zip(chosen, labels, strict=True):
            row[1 - int(label[0, 0]) % 2 :: 2] = True
        return chosen

    def draw_augmentation(self, count):
        """One jitter and blur for all images."""
        if self.augmentation is None:
            return None
        return AugmentationDraws(
            True,
            True,
            torch.tensor([0.9, 1.1, 1.15, 0.1]).expand(count, 4),
            torch.tensor([2, 0, 3, 1]).expand(count, 4),
            torch.full((count,), 0.7),
        )


def segmentor(two_heads=True, over_all=True, **kwargs):
    """The tiny segmentor, whose losses are means over all pixels."""
    config = segmentor_config(two_heads, **kwargs)
    for head in ('decode_head', 'auxiliary_head'):
        if config[head] is not None:
            config[head]['loss_decode']['avg_non_ignore'] = not over_all
    return config


def build(method='DACS', network=None, **options):
    """A method of DACS around it, in training mode."""
    register_all_modules()
    torch.manual_seed(0)
    options.setdefault('threshold', SURE)
    config = model_config(
        method, segmentor=segmentor(**(network or {})), **options
    )
    model = MODELS.build(config)
    model.init_weights()
    return lively(model).train()


def lively(model):
    """Weights under which predictions differ from pixel to pixel."""
    generator = torch.Generator().manual_seed(0)
    for weight in model.segmentor.parameters():
        if weight.dim() == 4:
            deviation = (2 / weight[0].numel()) ** 0.5
            weight.data.normal_(0, deviation, generator=generator)
    model.teacher.load_state_dict(model.segmentor.state_dict())
    return model


def mixable(count=2, seed=0, ignored=7):
    """A batch of images of one size; some labels of the source are 255."""
    data = batch(count, seed, SIZE, SIZE)
    for sample in data['data_samples']['source']:
        sample.gt_sem_seg.data[:, -ignored:] = 255
    return data


def optimizers(model, **wrapper):
    """SGD for the segmentor."""
    return build_optim_wrapper(model, optim_config('DACS', **wrapper))


def train(model, batches, **wrapper):
    """Logs of one step for each batch."""
    wrappers = optimizers(model, **wrapper)
    wrappers.initialize_count_status(model, 0, len(batches))
    return [model.train_step(data, wrappers) for data in batches]
