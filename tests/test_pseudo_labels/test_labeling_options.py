"""Options that do not fit together."""

import pytest

from mmuda.pseudo_labels.labelling_options import PseudoLabelOptions
from mmuda.utils.errors import ConfigError


@pytest.mark.parametrize(
    'kind',
    [
        *('RandomCrop', 'PhotoMetricDistortion', 'ColorJitter'),
        *('StrongAugmentation', 'Cutout'),
    ],
)
def test_random_transforms_are_refused(kind):
    pipeline = [{'type': 'LoadImage'}, {'type': kind}]
    with pytest.raises(ConfigError, match=f'pipeline: {kind} is random'):
        PseudoLabelOptions(rule={'type': 'ClassQuantile'}, pipeline=pipeline)
