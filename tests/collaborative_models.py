"""Small models of every method for several targets."""

import torch
from several_targets import NAMES
from tiny_models import NUM_CLASSES, model_config, segmentor_config

from mmuda.registry import MODELS

METHODS = ['MultiDis', 'MTKT', 'MultiHeadAdvEnt', 'CCL', 'CoaST', 'MLCL']
WEIGHTS = dict(decode=0.1, aux=0.02)
ADVERSARIAL = dict(
    adversarial_weights=WEIGHTS,
    discriminator=dict(
        type='MultiLevelDiscriminator',
        levels=['decode', 'aux'],
        in_channels=NUM_CLASSES,
        base_channels=4,
    ),
)
OPTIONS = dict(
    MultiDis=ADVERSARIAL,
    MTKT=ADVERSARIAL | dict(divergence_weights=WEIGHTS),
    MultiHeadAdvEnt=ADVERSARIAL,
    CCL=ADVERSARIAL
    | dict(consistency_weights=WEIGHTS, distillation_weights=WEIGHTS),
    CoaST={},
    MLCL={},
)
SEGMENTORS = dict(
    MTKT={},
    MultiHeadAdvEnt={},
    CoaST=dict(style_layers=['layer1', 'layer2'], auxiliary_head=None),
    MLCL=dict(ensemble=True, auxiliary_head=None),
)


def config_of(method, targets=2, norm_eval=False, **changes):
    """Model config of a method."""
    segmentor = segmentor_config(norm_eval=norm_eval)
    if method in SEGMENTORS:
        heads = dict(type='MultiHeadEncoderDecoder', targets=NAMES[:targets])
        segmentor |= heads | SEGMENTORS[method]
    segmentor |= changes.pop('segmentor', {})
    options = dict(segmentor=segmentor, targets=NAMES[:targets])
    return model_config(method, **options | OPTIONS[method] | changes)


def build(method, targets=2, **changes):
    """A model of a method in training mode and, if given, in a phase."""
    changes = dict(changes)
    phase = changes.pop('phase', None)
    torch.manual_seed(0)
    model = MODELS.build(config_of(method, targets, **changes))
    model.init_weights()
    if phase is not None:
        model.phase = phase
    return model.train()
