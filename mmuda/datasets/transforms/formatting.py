# Copyright (c) mmuda authors.
"""Transforms between loading and the network."""

from collections.abc import Sequence

import numpy as np
import torch
from mmcv.transforms import BaseTransform, to_tensor
from mmengine.structures import PixelData
from mmseg.datasets import PackSegInputs

from mmuda.registry import TRANSFORMS
from mmuda.utils.checks import WHOLE
from mmuda.utils.errors import ConfigError

_META_KEYS = (
    'key',
    'img_path',
    'seg_map_path',
    'ori_shape',
    'img_shape',
    'pad_shape',
    'scale_factor',
    'flip',
    'flip_direction',
    'reduce_zero_label',
)


@TRANSFORMS.register_module()
class CropFraction(BaseTransform):
    """Cut a constant fraction off the sides, such as the ego car's bonnet.

    Must come before the image is resized. The image counts as cropped from
    then on: ``ori_shape`` becomes the cropped size, so that predictions are
    made and evaluated on the crop, and labels that are loaded later are cut
    alike.

    Modified keys: ``img``, ``img_shape``, ``ori_shape``, all ``seg_fields``.

    Added keys: ``crop_box`` (top, bottom, left, right in pixels of the file),
    ``uncropped_shape``.

    Args:
        top: Fraction of the height to cut off at the top, in [0, 1).
        bottom: The same at the bottom.
        left: Fraction of the width to cut off at the left, in [0, 1).
        right: The same at the right.

    Raises:
        ConfigError: If nothing would be left, or the image was resized.
    """

    def __init__(
        self,
        top: float = 0.0,
        bottom: float = 0.0,
        left: float = 0.0,
        right: float = 0.0,
    ) -> None:
        if (
            min(top, bottom, left, right) < 0
            or max(top + bottom, left + right) >= 1
        ):
            raise ConfigError(
                'CropFraction needs fractions of at least 0 that leave '
                f'something over, got top={top}, bottom={bottom}, '
                f'left={left}, right={right}'
            )
        self.top, self.bottom = top, bottom
        self.left, self.right = left, right

    def transform(self, results: dict) -> dict:
        """Crop the image and all label maps."""
        height, width = shape = results['img'].shape[:2]
        if shape != tuple(results['ori_shape']) or 'crop_box' in results:
            raise ConfigError(
                'CropFraction must come once, before Resize: the image is '
                f'{width}x{height} here, its file another size'
            )
        rows = round(height * self.top), height - round(height * self.bottom)
        columns = round(width * self.left), width - round(width * self.right)
        for key in ('img', *results.get('seg_fields', [])):
            results[key] = results[key][slice(*rows), slice(*columns)]
        results['crop_box'] = (*rows, *columns)
        results['uncropped_shape'] = shape
        results['img_shape'] = results['img'].shape[:2]
        results['ori_shape'] = results['img_shape']
        return results

    def __repr__(self) -> str:
        return (
            f'CropFraction(top={self.top}, bottom={self.bottom}, '
            f'left={self.left}, right={self.right})'
        )


@TRANSFORMS.register_module()
class PseudoLabelMargins(BaseTransform):
    """Let pseudo-labels that are made in training count inside margins only.

    Of Cityscapes the lower part shows the own car, and along the borders
    rectification has left its traces (HRDA, MIC). Comes before the image is
    resized, cropped and flipped, which then happens to the region, too.

    Modified keys: ``seg_fields``.

    Added keys: ``pseudo_label_region`` ((H, W) uint8, 1 inside).

    Args:
        top: Rows at the top whose labels do not count.
        bottom: The same at the bottom.
        left: Columns at the left.
        right: Columns at the right.

    Raises:
        ConfigError: A margin is no whole number of at least 0, nothing of an
            image would be left, or it was resized.
    """

    def __init__(
        self, top: int = 30, bottom: int = 240, left: int = 30, right: int = 30
    ) -> None:
        self.margins = dict(top=top, bottom=bottom, left=left, right=right)
        for side, pixels in self.margins.items():
            WHOLE.require(pixels, f'PseudoLabelMargins.{side}')

    def transform(self, results: dict) -> dict:
        """Add the region."""
        height, width = shape = results['img'].shape[:2]
        if shape != tuple(results['ori_shape']):
            raise ConfigError(
                'PseudoLabelMargins must come before Resize: the image is '
                f'{width}x{height} here, its file another size'
            )
        top, bottom, left, right = self.margins.values()
        if top + bottom >= height or left + right >= width:
            raise ConfigError(
                f'{self} leaves nothing of an image of {width}x{height} '
                'pixels; set margins in pixels of the files'
            )
        region = np.zeros(shape, dtype=np.uint8)
        region[top : height - bottom, left : width - right] = 1
        results['pseudo_label_region'] = region
        fields = results.setdefault('seg_fields', [])
        fields.append('pseudo_label_region')
        return results

    def __repr__(self) -> str:
        margins = ', '.join(f'{k}={v}' for k, v in self.margins.items())
        return f'PseudoLabelMargins({margins})'


@TRANSFORMS.register_module()
class KeepWeakImage(BaseTransform):
    """Keep a copy of the image as it is now, before strong augmentation.

    MLCL takes the colours of a target from it.

    Required keys: ``img``.

    Added keys: ``weak_img`` ((H, W, 3) uint8 BGR).
    """

    def transform(self, results: dict) -> dict:
        """Copy the image."""
        results['weak_img'] = results['img'].copy()
        return results

    def __repr__(self) -> str:
        return 'KeepWeakImage()'


@TRANSFORMS.register_module()
class PackDomainInputs(PackSegInputs):
    """``PackSegInputs`` that also packs pseudo-labels and the key.

    ``pseudo_seg_map`` goes to ``data_sample.pseudo_sem_seg`` as (1, H, W)
    int64, ``pseudo_soft_map`` to ``data_sample.pseudo_soft_seg`` as (C, H, W)
    float16, ``pseudo_label_region`` to the field of this name as (1, H, W)
    uint8, ``weak_img`` to ``data_sample.weak_image`` as (3, H, W) uint8,
    ``key`` to the meta information.

    Args:
        meta_keys: Keys copied to the meta information if present.

    Raises:
        ConfigError: If a pseudo-label and the image differ in size, or
            probabilities of a soft one do not lie in [0, 1].
    """

    def __init__(self, meta_keys: Sequence[str] = _META_KEYS) -> None:
        super().__init__(meta_keys=meta_keys)

    def transform(self, results: dict) -> dict:
        """Return ``inputs`` (3, H, W) and ``data_samples``."""
        packed = super().transform(results)
        sample = packed['data_samples']
        labels = results.get('pseudo_seg_map')
        if labels is not None:
            _require_size(labels, results, 'LoadPseudoLabels')
            data = to_tensor(labels[None].astype(np.int64))
            sample.set_data({'pseudo_sem_seg': PixelData(data=data)})
        soft = results.get('pseudo_soft_map')
        if soft is not None:
            _require_size(soft, results, 'LoadSoftPseudoLabels')
            data = _pack_soft(soft)
            sample.set_data({'pseudo_soft_seg': PixelData(data=data)})
        region = results.get('pseudo_label_region')
        if region is not None:
            _require_size(region, results, 'PseudoLabelMargins')
            data = to_tensor(np.ascontiguousarray(region[None]))
            sample.set_data({'pseudo_label_region': PixelData(data=data)})
        weak = results.get('weak_img')
        if weak is not None:
            data = to_tensor(np.ascontiguousarray(weak.transpose(2, 0, 1)))
            sample.set_data({'weak_image': PixelData(data=data)})
        return packed


def _require_size(labels: np.ndarray, results: dict, loader: str) -> None:
    shape = results['img'].shape[:2]
    if labels.shape[:2] != shape:
        raise ConfigError(
            f'the map of {loader} is {labels.shape[:2]}, the image {shape}: a '
            f'transform after {loader} changed the image only'
        )


def _pack_soft(soft: np.ndarray) -> torch.Tensor:
    """Return (C, H, W) float16 of (H, W, C) probabilities."""
    # PyTorch is three times as fast with float16 as NumPy.
    data = torch.from_numpy(np.ascontiguousarray(soft.transpose(2, 0, 1)))
    data = data.half()
    # Some transforms fill a part of all label maps with 255.
    if data.max() > 1:
        raise ConfigError(
            f'pseudo_soft_map has {data.max().item():g}, but probabilities '
            'lie in [0, 1]; put the transform that fills label maps before '
            'LoadSoftPseudoLabels, or leave it out'
        )
    return data


@TRANSFORMS.register_module()
class EvaluateAtInputSize(BaseTransform):
    """Evaluate at the size that the network sees, not at the label's own.

    The protocol of MTAF (ICCV 2021), CoaST (WACV 2023) and MLCL (TCSVT 2024).
    Comes last before packing, with the labels loaded before ``Resize``, so
    that they are resized (nearest neighbour) and padded with the image. From
    then on the image counts as the original: predictions come out at its
    size, including the padding, whose labels are ignored.

    Modified keys: ``ori_shape``, which becomes the size of the image.

    Removed keys: ``padding_size``.

    Raises:
        ConfigError: A label and the image differ in size.
    """

    def transform(self, results: dict) -> dict:
        """Make the size of the image the original one."""
        shape = results['img'].shape[:2]
        for key in results.get('seg_fields', []):
            if results[key].shape[:2] != shape:
                raise ConfigError(
                    f'EvaluateAtInputSize: {key} is '
                    f'{results[key].shape[:2]}, the image {shape}; load '
                    'labels before Resize, right after the image'
                )
        results['ori_shape'] = shape
        results.pop('padding_size', None)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'
