"""SYNTHIA to Cityscapes on 16 classes, from files to metrics."""

import re
import sys

import demo_data
import numpy as np
import pytest
import warm_processes

from mmuda.datasets.labels.label_maps import label_set_metainfo

CONFIG = demo_data.ROOT / 'configs' / 'advent' / 'advent_synthia2cs.py'


@pytest.fixture(scope='module')
def validation(tmp_path_factory):
    """Metrics that a run of two iterations prints, by name."""
    folder = tmp_path_factory.mktemp('synthia')
    data = demo_data.write(folder / 'data', count=3, source='SYNTHIA')
    options = demo_data.full_size_options(
        data, max_iters=2, interval=2, source='SYNTHIA'
    )
    tool = [sys.executable, demo_data.ROOT / 'tools' / 'train.py']
    result = warm_processes.run(
        [*tool, CONFIG, '--work-dir', folder / 'work', '--cfg-options']
        + [f'{k}={v}'.replace(' ', '') for k, v in options.items()],
        env=demo_data.ENVIRONMENT,
        timeout=300,
    )
    output = result.stdout + result.stderr
    assert result.returncode == 0, output
    values = re.findall(r'cityscapes/([\w. ]+): ([\d.]+|nan)', output)
    return {name: float(value) for name, value in values}


def of_classes(validation):
    return {k[4:]: v for k, v in validation.items() if k.startswith('IoU.')}


def test_every_class_of_the_16_is_reported(validation):
    classes = label_set_metainfo('synthia16')['classes']
    assert len(classes) == 16
    assert list(of_classes(validation)) == list(classes)


@pytest.mark.parametrize(
    ('name', 'left_out'),
    [('mIoU', ()), ('mIoU13', ('wall', 'fence', 'pole'))],
)
def test_means_are_those_of_their_classes(validation, name, left_out):
    values = [
        v for k, v in of_classes(validation).items() if k not in left_out
    ]
    assert validation[name] == pytest.approx(np.nanmean(values), abs=0.02)
