# Copyright (c) mmuda authors.
"""Transforms that read images and labels."""

from importlib.util import find_spec

import mmcv
import numpy as np
from mmcv.transforms import BaseTransform, LoadImageFromFile

from mmuda.datasets.images.image_io import (
    STORED,
    decode_ids,
    decode_image,
    map_ids,
    read_bytes,
)
from mmuda.datasets.labels.label_frame import LabelFrame
from mmuda.registry import TRANSFORMS
from mmuda.utils.checks import one_of, optional
from mmuda.utils.errors import ConfigError, DataError

# Of samples that come from no data set of ours.
_NO_DATASET = LabelFrame('auto', None)
_COLOUR_TYPES = ('color', 'grayscale', 'unchanged')
# Backends of mmcv, with the module that each needs.
_BACKENDS = {
    'cv2': 'cv2',
    'pillow': 'PIL',
    'turbojpeg': 'turbojpeg',
    'tifffile': 'tifffile',
}


@TRANSFORMS.register_module()
class LoadImage(LoadImageFromFile):
    """Load an image like ``LoadImageFromFile``, naming a faulty file.

    A truncated JPEG, which OpenCV fills up with grey, is an error too. An
    image that its camera has marked as turned (EXIF) is turned as viewers do,
    whatever its format.

    ``color_type='unchanged'`` gives the channels that the file has, such as
    four of RGB and near infrared (in the order BGR and the fourth), and all
    of their bits: what is not of 8 bits comes as float32 in the units of the
    file. ``mean`` and ``std`` of the preprocessor and the first layer of the
    network have to fit.

    Added keys: ``img`` ((H, W, 3) uint8, BGR; with ``unchanged`` (H, W) or
    (H, W, C), uint8 or float32), ``img_shape``, ``ori_shape``,
    ``image_header``, ``as_stored``.

    Args:
        color_type: Flag of ``mmcv.imfrombytes``; with ``_ignore_orientation``
            behind it pixels are taken as they are stored, here and wherever
            samples are checked or drawn. Labels follow, see ``LabelFrame``.
        imdecode_backend: Backend of ``mmcv.imfrombytes``.
        to_float32: Whether to convert the image to float32.

    Raises:
        ConfigError: If there is no such flag or backend.
        DataError: If the file is missing, truncated, too large or no image.
    """

    def __init__(
        self,
        color_type: str = 'color',
        imdecode_backend: str = 'cv2',
        to_float32: bool = False,
    ) -> None:
        _require_reader(color_type, imdecode_backend)
        super().__init__(
            color_type=color_type,
            imdecode_backend=imdecode_backend,
            to_float32=to_float32,
        )

    def transform(self, results: dict) -> dict:
        """Load ``results['img_path']``."""
        path = results['img_path']
        img, header = decode_image(
            read_bytes(path), path, self.color_type, self.imdecode_backend
        )
        results['image_header'] = header
        results['as_stored'] = self.color_type.endswith(STORED)
        results['img'] = loaded_pixels(img, self.to_float32)
        results['img_shape'] = results['ori_shape'] = img.shape[:2]
        return results


def loaded_pixels(image: np.ndarray, to_float32: bool = False) -> np.ndarray:
    """Pixels in one of the two types that transforms and tensors know.

    Args:
        image: (H, W) or (H, W, C).
        to_float32: Whether bytes become float32, too.

    Returns:
        uint8 or float32 of the same values.
    """
    if to_float32 or image.dtype != np.uint8:
        return image.astype(np.float32)
    return image


def _require_reader(color_type: str, backend: str | None) -> None:
    """Raise a ConfigError unless mmcv can read images like this."""
    if color_type.removesuffix(STORED) not in _COLOUR_TYPES:
        raise ConfigError(
            f'LoadImage.color_type={color_type!r}: must be one of '
            f'{_COLOUR_TYPES}, or one of them followed by {STORED!r}'
        )
    optional(one_of(_BACKENDS)).require(backend, 'LoadImage.imdecode_backend')
    module = _BACKENDS.get(backend or 'cv2', 'cv2')
    if find_spec(module) is None:
        raise ConfigError(
            f'LoadImage: imdecode_backend={backend!r} needs the package '
            f'{module}; install it, or choose another'
        )


@TRANSFORMS.register_module()
class LoadLabels(BaseTransform):
    """Load the label file of a ``DomainSegDataset`` as train ids.

    Takes the place of ``LoadAnnotations``, which cuts 16-bit labels to 8 bits
    before mapping them. For training it stands before ``Resize``, so that the
    label follows the image; for evaluation after it, so that the label keeps
    its size. It is turned to an image that was turned by its EXIF mark, see
    ``LabelFrame``.

    An image that comes from no data set, as in ``mmseg.apis.inference_model``,
    has no label and passes through.

    Required keys: ``seg_map_path``, ``label_lut``, ``ori_shape``. Labels that
    are no images are read by ``label_reader``, see ``read_label_ids``.

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
        return self.place(read_label_ids(results), results)

    def place(self, ids: np.ndarray, results: dict) -> dict:
        """Map label ids (H, W), put them on the image and into its sample."""
        labels = map_ids(ids, results['label_lut'], results['seg_map_path'])
        header = results.get('image_header')
        if header is not None and header.orientation > 1:
            frame = results.get('label_frame', _NO_DATASET)
            labels = frame.fit(labels, header, results['as_stored'])
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
        height, width = shape
        shape = height, width
        if labels.shape == shape:
            return labels
        if labels.shape == shape[::-1]:
            raise DataError(
                f'label {results["seg_map_path"]!r} is '
                f'{size_text(labels.shape)}, its image '
                f'{results["img_path"]!r} {size_text(shape)}: one of them was '
                'turned by a quarter and does not say so. Turn it, or add its '
                'key to exclude in the dataset config'
            )
        if not self.resize_mismatch:
            raise DataError(
                f'label {results["seg_map_path"]!r} is '
                f'{size_text(labels.shape)}, its image '
                f'{results["img_path"]!r} is {size_text(shape)}; mend the '
                'pair, add its key to exclude in the dataset config, or use '
                'LoadLabels(resize_mismatch=True)'
            )
        return resize_nearest(labels, shape)

    def __repr__(self) -> str:
        return f'LoadLabels(resize_mismatch={self.resize_mismatch})'


def read_label_ids(sample: dict) -> np.ndarray:
    """Read the label of a sample as it is on disk.

    Args:
        sample: ``seg_map_path`` and, if the data set has them,
            ``label_channel`` and ``label_reader``, a function from the path
            to the ids of labels that are no images.

    Returns:
        (H, W) unsigned integers, label ids of the data set.

    Raises:
        DataError: If the file is missing or damaged.
    """
    path = sample['seg_map_path']
    reader = sample.get('label_reader')
    if reader is not None:
        return reader(path)
    return decode_ids(read_bytes(path), path, sample.get('label_channel'))


def resize_nearest(labels: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resize labels (h, w) to a height and width, nearest neighbour."""
    height, width = shape
    return mmcv.imresize(
        labels, (width, height), interpolation='nearest', backend='pillow'
    )


def size_text(shape: tuple[int, ...]) -> str:
    """Write a shape (height, width, ...) for a message."""
    return f'{shape[1]}x{shape[0]} (width x height)'
