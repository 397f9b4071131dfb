# Copyright (c) mmuda authors.
"""What makes batches of several domains out of mmseg's samples."""

from collections.abc import Sequence

import torch
from mmengine.model import BaseDataPreprocessor, ImgDataPreprocessor
from mmseg.models import SegDataPreProcessor
from torch import nn

from mmuda.models.batch import DomainsMixin
from mmuda.models.method_checks import without_domains
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError


@MODELS.register_module()
class DomainDataPreprocessor(DomainsMixin, SegDataPreProcessor):
    """Apply mmseg's preprocessor to each domain of a training batch.

    Where images are padded to one size, so are labels and pseudo-labels, with
    a value that is ignored (``seg_pad_val``); see ``valid_pixels``.

    Args:
        size_divisor: As in mmseg; the default of 1 pads only to the largest
            image of a domain's batch.
        mean: Of each channel, any number of them; None to normalise nothing.
            Of three they are in the order that ``bgr_to_rgb`` gives, of
            others in that of the files, which no option changes.
        std: As many.
        **kwargs: Further arguments of mmseg's ``SegDataPreProcessor``.

    Raises:
        ConfigError: There are not as many values of both.
    """

    def __init__(
        self,
        size_divisor: int | None = 1,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        **kwargs,
    ) -> None:
        if kwargs.get('size') is not None:
            size_divisor = None
        super().__init__(size_divisor=size_divisor, **kwargs)
        normalise_by(self, mean, std)


def normalise_by(
    preprocessor: BaseDataPreprocessor,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
) -> None:
    """Normalise as MMEngine does, which takes one channel or three alone.

    Args:
        preprocessor: Of MMEngine or mmseg, that normalises nothing yet.
        mean: Of each channel; None for none.
        std: As many.

    Raises:
        ConfigError: There are not as many values of both.
    """
    count, others = (0 if part is None else len(part) for part in (mean, std))
    if count != others:
        raise ConfigError(
            f'model.data_preprocessor: mean has {count} values and std '
            f'{others}; give both for each channel, or neither'
        )
    if not count:
        return
    preprocessor._enable_normalize = True
    for name, values in (('mean', mean), ('std', std)):
        # (C,) -> (C, 1, 1)
        column = torch.tensor(values).view(-1, 1, 1)
        preprocessor.register_buffer(name, column, False)


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
