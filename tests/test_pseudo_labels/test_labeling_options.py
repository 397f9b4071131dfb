"""Options that do not fit together."""

import pytest
from mmengine.config import Config

from mmuda.pseudo_labels.labelling_options import (
    PseudoLabelOptions,
    dataset_to_label,
)
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


def test_a_config_of_source_only_is_told_to_be_of_no_use_for_a_target():
    dataset = dict(source=dict(type='FolderDataset'))
    cfg = Config(dict(train_dataloader=dict(dataset=dataset)))
    with pytest.raises(ConfigError) as error:
        dataset_to_label(cfg, [])
    assert str(error.value) == (
        "--domain 'target': the config trains on source alone; name one of "
        'these, or a config that trains on the target'
    )
