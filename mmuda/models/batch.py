# Copyright (c) mmuda authors.
"""Training batches of several domains, and what makes them of samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from mmengine.model import BaseDataPreprocessor, BaseModel
from mmengine.structures import BaseDataElement
from torch import Tensor
from torch.nn.functional import pad

from mmuda.models.input_channels import check_channels
from mmuda.models.method_checks import require_learner, without_domains
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.names import IGNORE_ID, LABELLED, LABELLED_TARGET, SOURCE

Samples = Sequence[BaseDataElement]

# Where labels come from. Ground truth of a target is never looked at.
_TRUTH, _PSEUDO, _SOFT = 'gt_sem_seg', 'pseudo_sem_seg', 'pseudo_soft_seg'
_REGION = 'pseudo_label_region'
_MISSING = {
    _TRUTH: ('label', 'LoadLabels'),
    _PSEUDO: ('pseudo-label', 'LoadPseudoLabels'),
    _SOFT: ('soft label', 'LoadSoftPseudoLabels'),
}


@dataclass(frozen=True)
class DomainBatch:
    """Images of one domain and what is known of them.

    Attributes:
        images: (N, 3, H, W) normalised images.
        labels: (N, H, W) train ids, int64, 255 where a pixel has none: the
            source's ground truth or a target's pseudo-labels. None if the
            pipeline has loaded none.
        weights: (N, H, W) factors of the pixels' losses; None for 1.
        soft_labels: N times (C, H, W) probabilities of a target's classes, or
            None; as large as the logits, they are stacked when needed.
        valid: (N, H, W) bool, False on the padding of images of unequal
            size; None if there is none.
        region: (N, H, W) bool, where pseudo-labels that are made in training
            count (``PseudoLabelMargins``); None for everywhere.
        mixed_in: (N, H, W) bool, where labels are ground truth of the source
            in a batch of a target; None for nowhere.
        samples: Meta information of each image, and what else the pipeline
            has packed.
        name: Name of the domain.
    """

    images: Tensor
    labels: Tensor | None = None
    weights: Tensor | None = None
    soft_labels: Sequence[Tensor] | None = None
    valid: Tensor | None = None
    samples: Samples = ()
    name: str = ''
    region: Tensor | None = None
    mixed_in: Tensor | None = None

    @classmethod
    def of_samples(
        cls, name: str, images: Tensor, samples: Samples
    ) -> 'DomainBatch':
        """Take labels out of samples.

        Args:
            name: Name of the domain.
            images: (N, 3, H, W).
            samples: Their samples.
        """
        labels = _values(samples, _TRUTH if name in LABELLED else _PSEUDO)
        soft = _values(samples, _SOFT)
        region = _values(samples, _REGION)
        return cls(
            images,
            # N times (1, H, W) -> (N, H, W)
            None if labels is None else torch.cat(labels).long(),
            soft_labels=soft,
            valid=valid_pixels(images, samples),
            samples=samples,
            name=name,
            # 255 where a transform has filled up the map.
            region=None if region is None else torch.cat(region) == 1,
        )

    def require_labels(self) -> Tensor:
        """The labels.

        Raises:
            DataError: There are none, or of another size than the images; it
                names image and remedy.
        """
        size = self.images.shape[2:]
        if self.labels is None or self.labels.shape[1:] != size:
            raise self._fault(_TRUTH if self.name in LABELLED else _PSEUDO)
        return self.labels

    @property
    def pseudo(self) -> Tensor | None:
        """(N, H, W) bool, where labels are pseudo-labels; None for nowhere."""
        if self.mixed_in is not None:
            return ~self.mixed_in
        if self.name in LABELLED or self.labels is None:
            return None
        return torch.ones_like(self.labels, dtype=torch.bool)

    def require_soft_labels(self) -> Tensor:
        """The soft labels, (N, C, H, W) float32.

        Raises:
            DataError: There are none, or of another size than the images; it
                names image and remedy.
        """
        soft = self.soft_labels
        if soft is None or soft[0].shape[1:] != self.images.shape[2:]:
            raise self._fault(_SOFT)
        # Autocast cannot stack half precision on every device.
        return torch.stack([values.float() for values in soft])

    def _fault(self, field: str) -> DataError:
        what, transform = _MISSING[field]
        for sample in self.samples:
            image = sample.get('img_path', f'an image of {self.name!r}')
            if field not in sample:
                return DataError(
                    f"{image} has no {what}; add dict(type='{transform}') to "
                    f'the pipeline of {self.name!r}'
                )
            size = tuple(sample.get(field).data.shape[-2:])
            if size != tuple(self.images.shape[2:]):
                return DataError(
                    f'{image}: the {what} is {size}, the batch '
                    f'{tuple(self.images.shape[2:])} pixels; crop or pad all '
                    'images of a domain to one size in its pipeline'
                )
        return DataError(f'the batch of {self.name!r} has no {what}s')


@dataclass(frozen=True)
class PseudoLabelled(DomainBatch):
    """Images of a target that a teacher has labelled in this iteration.

    Attributes:
        confidence: (N, H, W) probabilities of the labels.
        share: Scalar, part of the pixels that the teacher is sure of.
    """

    confidence: Tensor | None = None
    share: Tensor | None = None


@dataclass(frozen=True)
class Batch:
    """What a method sees in one iteration.

    Attributes:
        source: Images of the source.
        targets: Images of each target by name.
        pseudo_labelled: The targets by name with labels and weights of a
            teacher, as soon as a method has them, for terms to share.
        labelled_target: Images of a target with labels, if there are some.
    """

    source: DomainBatch
    targets: dict[str, DomainBatch]
    pseudo_labelled: dict[str, PseudoLabelled] = field(default_factory=dict)
    labelled_target: DomainBatch | None = None

    @classmethod
    def of_domains(
        cls,
        inputs: Mapping[str, Tensor],
        data_samples: Mapping[str, Samples],
    ) -> 'Batch':
        """Make a batch of stacked images and samples by domain.

        Raises:
            ConfigError: There is no source.
        """
        if SOURCE not in inputs:
            raise ConfigError(
                f'a batch has the domains {list(inputs)}, but no '
                f'{SOURCE!r}; set train_dataloader.dataset.source'
            )
        parts = {
            name: DomainBatch.of_samples(name, images, data_samples[name])
            for name, images in inputs.items()
        }
        few = parts.pop(LABELLED_TARGET, None)
        return cls(parts.pop(SOURCE), parts, labelled_target=few)

    @property
    def domains(self) -> dict[str, DomainBatch]:
        """All domains by name, the source first."""
        few = self.labelled_target
        last = {} if few is None else {LABELLED_TARGET: few}
        return {SOURCE: self.source} | self.targets | last

    def require_targets(self, names: Sequence[str] | None = None) -> list[str]:
        """Names of the targets.

        Args:
            names: Those that a method was built for; None for any.

        Raises:
            ConfigError: There is none, or there are others.
        """
        found = list(self.targets)
        if not found:
            raise ConfigError(
                'train_dataloader.dataset has no target domain; this method '
                'needs one (SourceOnly does not)'
            )
        if names is None:
            return found
        if sorted(found) != sorted(names):
            raise ConfigError(
                f'model.targets is {list(names)}, but '
                f'train_dataloader.dataset has the targets {found}; name the '
                'same in both'
            )
        return list(names)

    def refuse_padding(self, method: str) -> None:
        """Refuse images of unequal size.

        Args:
            method: Name of the method or term whose losses would count it.

        Raises:
            ConfigError: Some are padded.
        """
        for domain, part in self.domains.items():
            if part.valid is not None:
                raise ConfigError(
                    f"images of domain '{domain}' have unequal sizes or are "
                    f'padded, and {method} would learn from the padding: '
                    'crop or resize all images of a domain to one size in '
                    'its pipeline (and leave size and size_divisor of '
                    'model.data_preprocessor as they are by default)'
                )

    def require_size(self, smallest: int) -> None:
        """Refuse images that are too small for a discriminator.

        Known before the first adversarial iteration, which may come late.

        Args:
            smallest: Shortest side of the maps that it judges, which have
                the size of the images.

        Raises:
            ConfigError: A side is shorter.
        """
        for domain, part in ({SOURCE: self.source} | self.targets).items():
            height, width = part.images.shape[-2:]
            if min(height, width) < smallest:
                raise ConfigError(
                    f"images of domain '{domain}' are {width}x{height} "
                    f'pixels, the discriminator needs {smallest}x{smallest}: '
                    'resize or crop them to more in the pipeline'
                )


class DomainsMixin(BaseDataPreprocessor):
    """Apply a preprocessor to each domain of a training batch.

    Images of one domain are stacked; sizes may differ between domains. A
    batch without domains (validation, test) is handled as without the mixin.

    Attributes:
        seg_pad_val: What fills up pseudo-labels where images are padded.
    """

    seg_pad_val: int = IGNORE_ID

    def forward(
        self, data: dict[str, Any], training: bool = False
    ) -> Batch | dict[str, Any]:
        """Preprocess one batch.

        Args:
            data: ``inputs`` and ``data_samples``, each a list or, by domain,
                a dict of lists; images are uint8 (3, H, W).
            training: Whether to pad to one size.

        Returns:
            A :class:`Batch`; of images without domains (validation, test)
            what the preprocessor gives.

        Raises:
            ConfigError: If items of several samples were not collated.
            DataError: An image has other channels than the mean.
        """
        if not isinstance(data['inputs'], dict):
            return self._preprocess(data, training)
        for domain, images in data['inputs'].items():
            if isinstance(images[0], (list, tuple)):
                raise ConfigError(
                    f'the batch has lists of {domain!r} samples in place of '
                    "samples; set collate_fn=dict(type='domain_collate') in "
                    "train_dataloader, or train_cfg.type='UDATrainLoop'"
                )
        batches = {
            domain: self._preprocess(
                dict(inputs=images, data_samples=data['data_samples'][domain]),
                training,
            )
            for domain, images in data['inputs'].items()
        }
        for batch in batches.values():
            _pad_pseudo_labels(batch['data_samples'], self.seg_pad_val)
        return Batch.of_domains(
            *(
                {domain: batch[key] for domain, batch in batches.items()}
                for key in ('inputs', 'data_samples')
            )
        )

    def _preprocess(self, data: dict[str, Any], training: bool) -> dict:
        try:
            return super().forward(data, training)
        except RuntimeError:
            check_channels(self, data['inputs'], data.get('data_samples'))
            raise


def valid_pixels(images: Tensor, samples: Samples) -> Tensor | None:
    """Pixels of a batch that belong to an image.

    Args:
        images: (N, 3, H, W) padded images.
        samples: Their samples, as the preprocessor leaves them.

    Returns:
        (N, H, W) bool, False on padding; None if no image is padded.
    """
    paddings = [sample.get('padding_size', (0, 0, 0, 0)) for sample in samples]
    if not any(any(padding) for padding in paddings):
        return None
    height, width = images.shape[-2:]
    valid = torch.zeros(
        (len(paddings), height, width), dtype=torch.bool, device=images.device
    )
    for mask, (left, right, top, bottom) in zip(valid, paddings, strict=True):
        mask[top : height - bottom, left : width - right] = True
    return valid


def _values(samples: Samples, field: str) -> list[Tensor] | None:
    """Values of all samples; None if one has none, or they differ in size."""
    values = [sample.get(field).data for sample in samples if field in sample]
    alike = len({value.shape for value in values}) == 1
    return values if alike and len(values) == len(samples) else None


def _pad_pseudo_labels(samples: Samples, value: int) -> None:
    for sample in samples:
        padding = sample.get('padding_size', ())
        for field_name in (_PSEUDO, _REGION):
            if field_name in sample and any(padding):
                pixels = sample.get(field_name)
                label = pixels.data
                del pixels.data
                pixels.data = pad(label, padding, value=value)


def prepared_batch(data: Mapping[str, Any], model: BaseModel) -> Batch:
    """What a method's preprocessor makes of a batch of the data loader.

    Args:
        data: Of a ``DomainDataset``.
        model: Its preprocessor gives a batch, or stacked images and samples
            by domain, as MMEngine's base class passes on what it gets. The
            method and its ``terms`` say whether they allow padding.

    Raises:
        ConfigError: Images are not tensors by domain, or padded.
    """
    batch = model.data_preprocessor(data, True)
    if not isinstance(batch, Batch):
        images = batch.get('inputs')
        if not isinstance(images, Mapping) or not all(
            isinstance(part, Tensor) for part in images.values()
        ):
            raise without_domains(model.data_preprocessor)
        batch = Batch.of_domains(images, batch['data_samples'])
    if batch.labelled_target is not None:
        require_learner(type(model))
    for learner in (model, *model.terms):
        if not learner.allows_padding:
            batch.refuse_padding(type(learner).__name__)
    return batch
