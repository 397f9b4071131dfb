# Copyright (c) mmuda authors.
"""DAFormer's distance to the features of ImageNet as a term."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Literal

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from mmuda.models.batch import DomainBatch
from mmuda.models.followers import Follower, add_follower
from mmuda.models.losses import mean_of_valid, valid_at
from mmuda.models.method_checks import check_choice
from mmuda.models.segmentors import (
    Box,
    HRDAEncoderDecoder,
    Logits,
    Prediction,
)
from mmuda.models.segmentors.prediction import Features
from mmuda.models.segmentors.scales import part
from mmuda.models.term import Losses, Term
from mmuda.registry import MODELS
from mmuda.utils.checks import NOT_NEGATIVE, Check, is_number
from mmuda.utils.class_names import class_ids, plain_name
from mmuda.utils.errors import ConfigError
from mmuda.utils.names import IGNORE_ID

# ImageNet knows things; those of Cityscapes have the published train ids.
THINGS = (
    *('traffic light', 'traffic sign', 'person', 'rider', 'car', 'truck'),
    *('bus', 'train', 'motorcycle', 'bicycle'),
)
_THING_IDS = (6, 7, *range(11, 19))
_NUM_CITYSCAPES = 19
_NEAREST = 'nearest-exact'
Scale = Literal['context', 'all']
_PLACE = 'model.terms: FeatureDistance'
_MAJORITY = Check(
    'a number in (0.5, 1]', lambda v: is_number(v) and 0.5 < v <= 1
)


@MODELS.register_module()
class FeatureDistance(Term):
    r"""Keep features of things near those of ImageNet.

    Of `DAFormer <https://arxiv.org/abs/2111.14887>`_ (equations 10 to 13):
    the distance of the last features of a source image to those of the same
    backbone as its pretraining left it, over the cells in which a thing
    prevails:

    .. math:: \lambda \, \overline{\lVert F_\theta(x_s) - F_{ImageNet}(x_s)
        \rVert_2}

    A backbone whose ``init_cfg`` names no weights is warned of, since the
    distance is to random features then; ``load_from`` comes later, and does
    not change what they are compared to.

    Args:
        weight: Factor :math:`\lambda`.
        things: Classes that count, by name or train id; ``all`` counts every
            position, labelled or not. None takes the things of Cityscapes,
            as far as the data has them.
        min_share: Part of a cell's pixels that its class must have, above
            0.5. Pixels without a label are a class of their own.
        feature_scale: Of ``HRDAEncoderDecoder``, whether the distance is that
            of the ``context``, or the sum of both scales (``all``), as
            published where the detail is as large as the images.

    Raises:
        ConfigError: A class is unknown, a number is out of its range, or the
            segmentor has a neck, whose features no pretraining knows, or not
            the scales.
    """

    allows_padding = True
    needs_features = True

    def __init__(
        self,
        weight: float = 0.005,
        things: Sequence[str | int] | Literal['all'] | None = None,
        min_share: Annotated[float, _MAJORITY] = 0.75,
        feature_scale: Scale = 'context',
    ) -> None:
        super().__init__()
        self.weight = NOT_NEGATIVE.require(weight, f'{_PLACE}.weight')
        if isinstance(things, str) and things != 'all':
            raise ConfigError(
                f"{_PLACE}.things='{things}': must be a list of classes, "
                "'all' or None"
            )
        self.things = things
        self.min_share = _MAJORITY.require(min_share, f'{_PLACE}.min_share')
        self.feature_scale = check_choice(
            'terms: FeatureDistance.feature_scale', feature_scale, Scale
        )

    def attach(self, model) -> None:
        """Add the backbone that stays as it is.

        Raises:
            ConfigError: There is a neck, or a train id is none.
        """
        if model.network.with_neck:
            raise ConfigError(
                f'{_PLACE} compares features of the backbone, but the '
                'segmentor has a neck; leave one of the two out'
            )
        is_hrda = isinstance(model.network, HRDAEncoderDecoder)
        if self.feature_scale == 'all' and not is_hrda:
            raise ConfigError(
                f"{_PLACE}.feature_scale='all': "
                f'{type(model.network).__name__} has a single scale; take '
                'HRDAEncoderDecoder, or leave it out'
            )
        for thing in () if self.things in ('all', None) else self.things:
            if isinstance(thing, int) and not 0 <= thing < model.num_classes:
                raise ConfigError(
                    f'{_PLACE}.things: {thing} is no train id of '
                    f'{model.num_classes} classes'
                )
        backbone = Follower('segmentor.backbone', saved=False)
        add_follower(model, 'imagenet', backbone)

    def on_source(
        self,
        model,
        prediction: Prediction,
        full: Logits,
        source: DomainBatch,
    ) -> Losses:
        """Weighted distance, named ``loss_feature_distance``."""
        images = model.network.images_of_features(source.images)
        distance = self._distance(model, prediction.features, images, source)
        if self.feature_scale == 'all':
            detail = _detail_of(source, prediction.boxes)
            distance = distance + self._distance(
                model, prediction.details, detail.images, detail
            )
        return {'loss_feature_distance': self.weight * distance}

    def _distance(
        self, model, features: Features, images: Tensor, source: DomainBatch
    ) -> Tensor:
        """That of features of images at some scale to the frozen ones."""
        found = features[-1]  # (N, D, h, w)
        with torch.no_grad():
            fixed = model.imagenet(images)[-1]
        if self.things == 'all':
            kept = valid_at(source.valid, found.shape[2:])
        else:
            labels = cell_labels(
                source.require_labels(), found.shape[2:], self.min_share
            )
            ids = labels.new_tensor(self._thing_ids(model))
            kept = torch.isin(labels, ids)
        return feature_distance(found, fixed, kept)

    def _thing_ids(self, model) -> list[int]:
        """Train ids of the things."""
        meta = model.dataset_meta
        names = None if meta is None else meta['classes']
        if self.things is not None:
            return class_ids(self.things, names, f'{_PLACE}.things')
        if names is None:
            if model.num_classes == _NUM_CITYSCAPES:
                return [*_THING_IDS]
            raise ConfigError(
                f'{_PLACE}: the classes of the data are not known here, as '
                'UDATrainLoop would tell them; write the train ids of those '
                'that count, things=[...]'
            )
        there = [plain_name(name) for name in names]
        known = [name for name in THINGS if name in there]
        if not known:
            raise ConfigError(
                f'{_PLACE}: the data has none of the things of Cityscapes '
                f'({", ".join(THINGS)}); name its own, things=[...]'
            )
        return class_ids(known, names, f'{_PLACE}.things')


def _detail_of(source: DomainBatch, boxes: Mapping[str, Box]) -> DomainBatch:
    """The part of source images that HRDA has seen in detail."""
    box, *_ = boxes.values()
    valid = source.valid
    return replace(
        source,
        images=part(source.images, box),
        labels=part(source.require_labels(), box),
        valid=None if valid is None else part(valid, box),
    )


def feature_distance(
    features: Tensor, fixed: Tensor, kept: Tensor | None = None
) -> Tensor:
    """Mean Euclidean distance of two feature maps.

    Args:
        features: (N, D, h, w).
        fixed: The same without a gradient.
        kept: (N, h, w) bool, positions that count, of all images together;
            None for all.

    Returns:
        Scalar; 0, still with a gradient, if no position counts.
    """
    # Sums of squares do not fit into 16 bits.
    kind = torch.promote_types(features.dtype, torch.float32)
    distance = (features.to(kind) - fixed.to(kind)).norm(dim=1)  # (N, h, w)
    return mean_of_valid(distance, kept)


def cell_labels(
    labels: Tensor, size: Sequence[int], min_share: float = 0.75
) -> Tensor:
    """Class that prevails in each cell of a coarser map.

    Cells are squares, as wide as the width of the labels holds that of the
    map. Labels whose sides are no multiples of the map's, as those of networks
    that round up, are resized (nearest) so that they are.

    Args:
        labels: (N, H, W) train ids, 255 where a pixel has none.
        size: Height and width of the map, (h, w).
        min_share: Part of the pixels that the class must have, above 0.5;
            pixels of 255 are a class for that.

    Returns:
        (N, h, w) train ids; 255 where no class prevails.
    """
    rows, columns = size
    cell = max(1, labels.shape[2] // columns)
    full = rows * cell, columns * cell
    if labels.shape[1:] != full:
        values = interpolate(labels[:, None].float(), full, mode=_NEAREST)
        labels = values[:, 0].to(labels)
    # (N, h, cell, w, cell) -> (N, h, w, cell * cell)
    cells = labels.unfold(1, cell, cell).unfold(2, cell, cell).flatten(3)
    # What more than half of the values are, their median is.
    middle = cells.median(dim=3).values
    count = (cells == middle[..., None]).sum(dim=3)
    return middle.where(count >= min_share * cell**2, IGNORE_ID)
