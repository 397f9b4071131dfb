# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""What makes batches of several domains out of mmseg's samples."""

from mmengine.model import ImgDataPreprocessor
from mmseg.models import SegDataPreProcessor
from torch import nn

from mmuda.models.batch import DomainsMixin
from mmuda.models.method_checks import without_domains
from mmuda.registry import MODELS


@MODELS.register_module()
class DomainDataPreprocessor(DomainsMixin, SegDataPreProcessor):
    """Apply mmseg's preprocessor to each domain of a training batch.

    Where images are padded to one size, so are labels and pseudo-labels, with
    a value that is ignored (``seg_pad_val``); see ``valid_pixels``.

    Args:
        size_divisor: As in mmseg; the default of 1 pads only to the largest
            image of a domain's batch.
        **kwargs: Further arguments of mmseg's ``SegDataPreProcessor``.
    """

    def __init__(self, size_divisor: int | None = 1, **kwargs) -> None:
        if kwargs.get('size') is not None:
            size_divisor = None
        super().__init__(size_divisor=size_divisor, **kwargs)


def check_preprocessor(preprocessor: nn.Module) -> None:
    """Refuse a preprocessor that takes one batch of images at a time.

    Args:
        preprocessor: Of a method.

    Raises:
        ConfigError: It is one of MMEngine's or mmseg's.
    """
    single = (SegDataPreProcessor, ImgDataPreprocessor)
    if type(preprocessor).forward in {kind.forward for kind in single}:
        raise without_domains(preprocessor)
