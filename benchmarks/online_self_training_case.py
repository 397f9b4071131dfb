# Copyright (c) mmuda authors.
"""Online self-training and its bare passes on one random batch."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from mmengine.config import Config, ConfigDict
from mmengine.model import revert_sync_batchnorm
from mmengine.optim import build_optim_wrapper
from torch import Tensor
from torch.nn.functional import cross_entropy, interpolate

from benchmarks.setting import Size, image_sizes, optimizer_config
from benchmarks.training_case import random_batch
from mmuda.models.augmentation import StrongAugmentation, normalisation_of
from mmuda.models.moving_average import update_teacher
from mmuda.models.players import player_optim_wrappers
from mmuda.models.segmentors.prediction import crop
from mmuda.registry import MODELS
from mmuda.utils.names import SOURCE, TARGET

HRDA = 'HRDAEncoderDecoder'
# So that half of an image, at half of its size, is whole cells of stride 16.
_MULTIPLE = 64
_MOMENTUM = 0.999
# Of the losses of a head, which an attention has none of.
_OF_LOSSES = ('loss_decode', 'sampler', 'ignore_index', 'threshold')
Pass = Callable[[], None]


def terms_of(method: str, num_classes: int) -> list[dict]:
    """Configs of the terms that a method adds to DACS.

    Args:
        method: ``DACS``, ``DAFormer`` or ``MIC``.
        num_classes: Of which the upper half are things.
    """
    things = [*range(num_classes // 2, num_classes)]
    terms = [
        dict(type='FeatureDistance', things=things),
        # small images have several blocks then; time is the same
        dict(type='MaskedConsistency', block_size=32, augmentation=_always()),
    ]
    return terms[: ('DACS', 'DAFormer', 'MIC').index(method)]


def _always() -> dict[str, float]:
    """Options of an augmentation that acts in each iteration."""
    return dict(jitter_probability=1.0, blur_probability=1.0)


def at_two_scales(segmentor: ConfigDict, size: Size) -> ConfigDict:
    """HRDA's config around a network; one that is HRDA's gets the sizes.

    Args:
        segmentor: Config of a ``UDAEncoderDecoder``; an auxiliary head is
            left out, and a ResNet that rounds sizes up replaced.
        size: Width and height of training images, of which details have the
            halves.
    """
    segmentor = copy.deepcopy(segmentor)
    width, height = size
    segmentor.detail_crop_size = (height // 2, width // 2)
    if segmentor.type == HRDA:
        return segmentor
    segmentor.type, segmentor.auxiliary_head = HRDA, None
    if segmentor.backbone.type == 'DeepLabResNet':
        segmentor.backbone.type = 'ResNetV1c'
    attention = copy.deepcopy(segmentor.decode_head)
    for key in _OF_LOSSES:
        attention.pop(key, None)
    if attention.type == 'DAFormerHead':
        attention.fusion = 'conv1'
    segmentor.attention_head = attention
    segmentor.crop_multiple = _MULTIPLE // 2
    return segmentor


class SelfTrainingCase:
    """A method of online self-training, and one random batch.

    The content of the images has no influence on time and memory. Colours
    and blur act in each iteration. Images of both domains have the size of
    the target's, in multiples of 64 pixels.

    Args:
        cfg: A training config; sizes, network and optimizer are its.
        method: ``DACS``, ``DAFormer`` or ``MIC``.
        hrda: Put HRDA around the network.
        device: Where to compute.
    """

    def __init__(
        self,
        cfg: Config,
        method: str,
        hrda: bool = False,
        device: str = 'cpu',
    ) -> None:
        self.method, self.device = method, device
        size = _rounded(image_sizes(cfg)[TARGET])
        segmentor = cfg.model.segmentor
        if hrda or segmentor.type == HRDA:
            segmentor = at_two_scales(segmentor, size)
        classes = segmentor.decode_head.num_classes
        config = dict(
            type='DACS',
            data_preprocessor=cfg.model.data_preprocessor,
            segmentor=segmentor,
            augmentation=_always(),
            terms=terms_of(method, classes),
        )
        model = MODELS.build(ConfigDict(config))
        model.init_weights()
        self.model = revert_sync_batchnorm(model).to(device).train()
        self.wrapper = build_optim_wrapper(
            self.model, ConfigDict(optimizer_config(cfg, 'MinEnt'))
        )
        batch_size = cfg.train_dataloader.batch_size
        sizes = {SOURCE: size, TARGET: size}
        self.batch = random_batch(sizes, batch_size, classes)
        prepared = self.model.data_preprocessor(self.batch, True)
        self.images = prepared.source.images
        self.labels = prepared.source.require_labels()

    def step(self) -> None:
        """One iteration, as the training loop runs it, and the teacher's."""
        self.model.train_step(self.batch, self.wrapper)
        self.follow()

    def follow(self) -> None:
        """Update the teacher."""
        update_teacher(
            self.model.teacher, self.model.segmentor, _MOMENTUM, 'keep'
        )

    def update(self) -> None:
        """What ends an iteration: by the gradients, which are none then."""
        for wrapper in player_optim_wrappers(self.wrapper).values():
            wrapper.step()
            wrapper.zero_grad()
        self.follow()

    @contextmanager
    def recomputing(self) -> Iterator[None]:
        """Let HRDA keep no activations inside the block."""
        self.model.segmentor.recompute = True
        try:
            yield
        finally:
            self.model.segmentor.recompute = False

    def passes(self) -> dict[str, Pass]:
        """Bare passes that an iteration can't do without, by name.

        Those of the segmentor are forward and backward.
        """
        trained = ['source', 'mixed', 'masked']
        count = 3 if self.method == 'MIC' else 2
        passes: dict[str, Pass] = dict.fromkeys(
            trained[:count], self.train_pass
        )
        passes['teacher'] = self.teacher_pass
        if self.method != 'DACS':
            passes['ImageNet'] = self.imagenet_pass
        return passes

    def train_pass(self) -> None:
        """Forward and backward of the segmentor alone, cross entropy."""
        segmentor = self.model.segmentor
        prediction = segmentor(self.images, heads=segmentor.heads())
        loss = 0
        for name, logits in prediction.logits.items():
            labels = self.labels
            if name in prediction.boxes:
                labels, _ = crop(prediction.boxes[name], labels, None)
            loss = loss + cross_entropy(
                self._resized(logits, labels), labels, ignore_index=255
            )
        loss.backward()

    def _resized(self, logits: Tensor, labels: Tensor) -> Tensor:
        return interpolate(
            logits,
            labels.shape[1:],
            mode='bilinear',
            align_corners=self.model.align_corners,
        )

    @torch.no_grad()
    def teacher_pass(self) -> None:
        """Forward of the teacher; HRDA's sees detail everywhere."""
        self.model.teacher.predict_logits(self.images)

    @torch.no_grad()
    def imagenet_pass(self) -> None:
        """Forward of the backbone that stays as it is."""
        segmentor = self.model.segmentor
        self.model.imagenet(segmentor.images_of_features(self.images))

    def augment(self) -> None:
        """Colours and blur of all images that an iteration augments."""
        augmentation = StrongAugmentation(**_always())
        scales = normalisation_of(self.model.data_preprocessor)
        for as_one in (False, True)[: 2 if self.method == 'MIC' else 1]:
            draws = augmentation.draw(len(self.images), as_one)
            augmentation.apply(self.images, draws, *scales)

    def fill_gradients(self) -> None:
        """Give each trained parameter a gradient of zeros.

        Passes then have none to make, so that their memory, which does not
        depend on the method, is left out of all peaks alike.
        """
        for parameter in self.model.parameters():
            if parameter.requires_grad:
                parameter.grad = torch.zeros_like(parameter)


def _rounded(size: Size) -> Size:
    width, height = (
        max(1, round(side / _MULTIPLE)) * _MULTIPLE for side in size
    )
    return width, height
