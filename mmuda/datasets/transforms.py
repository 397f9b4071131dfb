# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Transforms between loading and the network."""

from collections.abc import Sequence

import numpy as np
from mmcv.transforms import BaseTransform, to_tensor
from mmengine.structures import PixelData
from mmseg.datasets import PackSegInputs

from mmuda.registry import TRANSFORMS
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
class PackDomainInputs(PackSegInputs):
    """``PackSegInputs`` that also packs the pseudo-label and the key.

    ``pseudo_seg_map`` goes to ``data_sample.pseudo_sem_seg`` as (1, H, W)
    int64, ``key`` to the meta information.

    Args:
        meta_keys: Keys copied to the meta information if present.

    Raises:
        ConfigError: If the pseudo-label and the image differ in size.
    """

    def __init__(self, meta_keys: Sequence[str] = _META_KEYS) -> None:
        super().__init__(meta_keys=meta_keys)

    def transform(self, results: dict) -> dict:
        """Return ``inputs`` (3, H, W) and ``data_samples``."""
        packed = super().transform(results)
        pseudo_label = results.get('pseudo_seg_map')
        if pseudo_label is None:
            return packed
        if pseudo_label.shape != results['img'].shape[:2]:
            raise ConfigError(
                f'the pseudo-label is {pseudo_label.shape}, the image '
                f'{results["img"].shape[:2]}: a transform after '
                'LoadPseudoLabels changed the image only'
            )
        data = to_tensor(pseudo_label[None].astype(np.int64))
        packed['data_samples'].set_data(
            {'pseudo_sem_seg': PixelData(data=data)}
        )
        return packed
