"""Terms as a later method would bring them along."""

import torch
from mmseg.utils import add_prefix
from torch.nn.functional import interpolate

from mmuda.models.losses import mean_of_valid
from mmuda.models.players import SEGMENTOR, ddp_dummy_loss
from mmuda.models.terms import Term
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError
from mmuda.utils.names import DECODE


def checkered(images, block):
    """Images of which every second block is black, (N, 3, H, W)."""
    height, width = images.shape[2:]
    rows = torch.arange(height // block)[:, None]
    kept = (rows + torch.arange(width // block)) % 2
    return images * interpolate(kept[None, None].to(images), (height, width))


@MODELS.register_module()
class CheckeredConsistency(Term):
    """The teacher labels whole images, the student sees blocks of them."""

    allows_padding = True

    def __init__(self, block=8, weight=0.5):
        super().__init__()
        self.block, self.weight = block, weight

    def attach(self, model):
        if model.teacher is None:
            raise ConfigError('CheckeredConsistency needs model.teacher=True')

    def extra(self, model, batch):
        for name, target in batch.targets.items():
            with torch.no_grad():
                logits = model.teacher(target.images)
                labels = model.upsample(logits, target.images).argmax(dim=1)
            if target.valid is not None:
                labels[~target.valid] = 255
            weights = torch.full_like(labels, self.weight, dtype=torch.float32)
            prediction = model.segmentor(
                checkered(target.images, self.block), heads=(DECODE,)
            )
            losses = model.network.losses(prediction, labels, weights)
            losses |= ddp_dummy_loss(model.segmentor, prediction.logits)
            yield SEGMENTOR, add_prefix(losses, f'{name}.checkered')


@MODELS.register_module()
class Projected(Term):
    """Something is learned of the features of the source by a layer."""

    allows_padding = True
    needs_features = True

    def __init__(self, inside=False):
        super().__init__()
        if inside:
            self.projector = torch.nn.Conv2d(64, 2, 1)

    def attach(self, model):
        model.add_module('projector', torch.nn.Conv2d(64, 2, 1).double())

    def on_source(self, model, prediction, full, source):
        values = model.projector(prediction.features[-1])
        return {'loss_projected': mean_of_valid(values.square())}
