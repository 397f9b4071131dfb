# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Transforms that only pipelines of validation and testing need."""

from mmcv.transforms import BaseTransform

from mmuda.registry import TRANSFORMS
from mmuda.utils.errors import ConfigError


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
