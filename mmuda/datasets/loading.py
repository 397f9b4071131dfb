# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Transforms that read images, labels and pseudo-labels."""

import os
from functools import lru_cache

import mmcv
import numpy as np
from mmcv.transforms import BaseTransform, LoadImageFromFile

from mmuda.datasets.image_io import (
    decode_ids,
    map_ids,
    read_bytes,
    require_complete,
)
from mmuda.datasets.lookup import identity_table, lookup_table
from mmuda.registry import TRANSFORMS
from mmuda.utils.errors import ConfigError, DataError


@TRANSFORMS.register_module()
class LoadImage(LoadImageFromFile):
    """Load an image like ``LoadImageFromFile``, naming a faulty file.

    A truncated JPEG, which OpenCV fills up with grey, is an error too.

    Added keys: ``img`` ((H, W, 3) uint8, BGR), ``img_shape``, ``ori_shape``.

    Args:
        color_type: Flag of ``mmcv.imfrombytes``.
        imdecode_backend: Backend of ``mmcv.imfrombytes``.
        to_float32: Whether to convert the image to float32.

    Raises:
        DataError: If the file is missing, truncated or no image.
    """

    def __init__(
        self,
        color_type: str = 'color',
        imdecode_backend: str = 'cv2',
        to_float32: bool = False,
    ) -> None:
        super().__init__(
            color_type=color_type,
            imdecode_backend=imdecode_backend,
            to_float32=to_float32,
        )

    def transform(self, results: dict) -> dict:
        """Load ``results['img_path']``."""
        path = results['img_path']
        data = read_bytes(path)
        require_complete(data, path)
        img = mmcv.imfrombytes(
            data, flag=self.color_type, backend=self.imdecode_backend
        )
        if img is None:
            raise DataError(
                f'cannot read {path!r}: it is damaged or no image; '
                'download or write it again'
            )
        results['img'] = img.astype(np.float32) if self.to_float32 else img
        results['img_shape'] = results['ori_shape'] = img.shape[:2]
        return results


@TRANSFORMS.register_module()
class LoadLabels(BaseTransform):
    """Load the label file of a ``DomainSegDataset`` as train ids.

    Takes the place of ``LoadAnnotations``, which cuts 16-bit labels to 8 bits
    before mapping them. For training it stands before ``Resize``, so that the
    label follows the image; for evaluation after it, so that the label keeps
    its size.

    An image that comes from no data set, as in ``mmseg.apis.inference_model``,
    has no label and passes through.

    Required keys: ``seg_map_path``, ``label_lut``, ``ori_shape``.

    Added keys: ``gt_seg_map`` ((H, W) uint8 train ids, 255 = ignore), and its
    name in ``seg_fields``.

    Args:
        resize_mismatch: Resize a label whose size is not that of its image,
            nearest neighbour, instead of raising. Published training code
            does this silently.

    Raises:
        ConfigError: If the data set has no labels or is not ours.
        DataError: If the file is missing or damaged, has another size than
            the image, or ids that the data set does not define.
    """

    def __init__(self, resize_mismatch: bool = False) -> None:
        self.resize_mismatch = resize_mismatch

    def transform(self, results: dict) -> dict:
        """Load ``results['seg_map_path']``."""
        if 'label_lut' not in results and 'seg_map_path' not in results:
            return results
        for key, remedy in (
            ('ori_shape', 'put LoadImage before it'),
            ('label_lut', "use LoadAnnotations for mmseg's own data sets"),
            ('seg_map_path', 'give data_prefix.seg_map_path'),
        ):
            if key not in results:
                raise ConfigError(f'LoadLabels misses {key!r}: {remedy}')
        path = results['seg_map_path']
        ids = decode_ids(read_bytes(path), path, results.get('label_channel'))
        labels = map_ids(ids, results['label_lut'], path)
        shape = results.get('uncropped_shape', results['ori_shape'])
        labels = self._fit(labels, shape, results)
        if 'crop_box' in results:
            top, bottom, left, right = results['crop_box']
            labels = labels[top:bottom, left:right]
        results['gt_seg_map'] = labels
        results['seg_fields'].append('gt_seg_map')
        return results

    def _fit(
        self, labels: np.ndarray, shape: tuple[int, int], results: dict
    ) -> np.ndarray:
        """Return labels of the given height and width."""
        if labels.shape == shape:
            return labels
        if not self.resize_mismatch:
            raise DataError(
                f'label {results["seg_map_path"]!r} is '
                f'{_size(labels.shape)}, its image {results["img_path"]!r} '
                f'is {_size(shape)}; mend the pair, add its key to exclude '
                'in the dataset config, or use '
                'LoadLabels(resize_mismatch=True)'
            )
        return _resize_nearest(labels, shape)

    def __repr__(self) -> str:
        return f'LoadLabels(resize_mismatch={self.resize_mismatch})'


@TRANSFORMS.register_module()
class LoadPseudoLabels(BaseTransform):
    """Load the pseudo-label of an image from ``<root>/<key>.png``.

    Pseudo-labels are written at the size the network saw, so put this after
    ``Resize`` and before random crops and flips, which move it with the
    image as they do all ``seg_fields``.

    Required keys: ``key``, ``num_classes``, ``img``.

    Added keys: ``pseudo_seg_map`` ((H, W) uint8 train ids, 255 = ignore), and
    its name in ``seg_fields``.

    Args:
        pseudo_label_root: Folder of the 8-bit PNG files of train ids.
        suffix: Suffix of the files.
        resize: Resize pseudo-labels of another size than the image, nearest
            neighbour, instead of raising.

    Raises:
        ConfigError: If the data set is not ours.
        DataError: If the file is missing or damaged, has another size than
            the image, or an id that is no train id.
    """

    def __init__(
        self,
        pseudo_label_root: str,
        suffix: str = '.png',
        resize: bool = False,
    ) -> None:
        self.pseudo_label_root = pseudo_label_root
        self.suffix = suffix
        self.resize = resize

    def transform(self, results: dict) -> dict:
        """Load the pseudo-label of ``results['key']``."""
        if 'key' not in results:
            raise ConfigError(
                "LoadPseudoLabels needs the 'key' of a DomainSegDataset"
            )
        name = results['key'] + self.suffix
        path = os.path.join(self.pseudo_label_root, name)
        if not os.path.isfile(path):
            raise DataError(
                f'pseudo-label {path!r} does not exist; generate '
                'pseudo-labels for this data set, or correct '
                'pseudo_label_root'
            )
        ids = decode_ids(read_bytes(path), path, None)
        labels = map_ids(ids, _train_id_lut(results['num_classes']), path)
        shape = results['img'].shape[:2]
        if labels.shape != shape and not self.resize:
            raise DataError(
                f'pseudo-label {path!r} is {_size(labels.shape)}, the image '
                f'is {_size(shape)} here; put LoadPseudoLabels after Resize '
                'to the size they were generated at, or set resize=True'
            )
        if labels.shape != shape:
            labels = _resize_nearest(labels, shape)
        results['pseudo_seg_map'] = labels
        results['seg_fields'].append('pseudo_seg_map')
        return results

    def __repr__(self) -> str:
        return (
            f'LoadPseudoLabels(pseudo_label_root={self.pseudo_label_root!r}, '
            f'suffix={self.suffix!r}, resize={self.resize})'
        )


def _resize_nearest(labels: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    height, width = shape
    return mmcv.imresize(
        labels, (width, height), interpolation='nearest', backend='pillow'
    )


def _size(shape: tuple[int, ...]) -> str:
    return f'{shape[1]}x{shape[0]} (width x height)'


@lru_cache(maxsize=8)
def _train_id_lut(num_classes: int) -> np.ndarray:
    return lookup_table(identity_table(num_classes), num_classes)
