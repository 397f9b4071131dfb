"""Options that do not fit together."""

import pytest
from mmengine.config import Config

from mmuda.pseudo_labels.labelling_options import PseudoLabelOptions
from mmuda.utils.errors import ConfigError


@pytest.mark.parametrize('missing', ['rule', 'pipeline'])
def test_the_page_of_what_is_missing_is_named(missing):
    """Configs of methods without pseudo-labels have a pipeline alone."""
    given = dict(rule=dict(type='KeepAll'), pipeline=[dict(type='LoadImage')])
    del given[missing]
    with pytest.raises(ConfigError, match=f'{missing} is missing; see docs/'):
        PseudoLabelOptions.from_config(Config(dict(pseudo_labels=given)))


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
