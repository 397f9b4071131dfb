import math

import pytest
import torch

from mmuda.evaluation import EntropyMetric
from mmuda.utils.errors import ConfigError, DataError


def evaluate(*images):
    metric = EntropyMetric()
    for logits in images:
        metric.process({}, [dict(seg_logits=dict(data=logits))])
    return metric.evaluate(len(images))['entropy']


def test_uniform_predictions():
    assert evaluate(torch.zeros(5, 3, 4)) == pytest.approx(1, abs=1e-6)


def test_certain_predictions():
    logits = torch.zeros(5, 3, 4)
    logits[2] = 1e4
    assert evaluate(logits) == 0


def test_two_of_four_classes():
    logits = torch.zeros(4, 1, 1)
    logits[2:] = -1e4
    wanted = math.log(2) / math.log(4)
    assert evaluate(logits) == pytest.approx(wanted, abs=1e-6)


def test_each_pixel_counts_the_same():
    certain = torch.zeros(5, 1, 1)
    certain[0] = 1e4
    uniform = torch.zeros(5, 1, 3)
    assert evaluate(certain, uniform) == pytest.approx(0.75, abs=1e-6)


@pytest.mark.parametrize(
    'sample', [{}, dict(seg_logits=dict(data=torch.zeros(1, 2, 2)))]
)
def test_no_logits_of_two_classes(sample):
    with pytest.raises(ConfigError, match='needs seg_logits'):
        EntropyMetric().process({}, [sample])


def grouped(group_by, *images):
    metric = EntropyMetric(group_by=group_by, prefix='acdc')
    for key, logits in images:
        metric.process({}, [dict(key=key, seg_logits=dict(data=logits))])
    return metric.evaluate(len(images))


def test_groups_of_images():
    certain = torch.zeros(5, 1, 2)
    certain[0] = 1e4
    images = (
        ('night/a', torch.zeros(5, 1, 3)),
        ('fog/b', certain),
        ('night/c', certain),
    )
    found = grouped('[^/]+', *images)
    assert list(found) == [
        'acdc/entropy',
        'acdc/entropy.fog',
        'acdc/entropy.night',
    ]
    assert list(found.values()) == pytest.approx([3 / 7, 0, 0.6], abs=1e-6)
    plain = grouped(None, *images)
    assert plain == {'acdc/entropy': found['acdc/entropy']}


def test_what_can_not_be_grouped(tmp_path):
    image = dict(seg_logits=dict(data=torch.zeros(5, 1, 1)))
    table = tmp_path / 'groups.csv'
    table.write_text('a,fog\n')
    with pytest.raises(ConfigError, match="csv' is a file, of which '.json'"):
        EntropyMetric(group_by=str(table))
    with pytest.raises(ConfigError, match='is no regular expression'):
        EntropyMetric(group_by='(')
    metric = EntropyMetric(group_by='[0-9]+')
    with pytest.raises(ConfigError, match='samples do not have; pack them'):
        metric.process({}, [image])
    with pytest.raises(DataError, match="finds nothing in the key 'a'"):
        metric.process({}, [image | dict(key='a')])
