"""IoU by groups of images, which a regular expression finds in their keys."""

import json

import gloo
import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger

from mmuda.evaluation import DomainIoUMetric
from mmuda.evaluation.image_groups import ImageGroups, examine_groups
from mmuda.utils.errors import ConfigError, DataError

CLASSES = ('road', 'car', 'sky', 'bike')
KEYS = ('fog/A/1', 'night/B/1', 'fog/C/2', 'snow/A/1', 'night/B/2')


def metric(group_by='[^/]+', **kwargs):
    result = DomainIoUMetric(group_by=group_by, **kwargs)
    result.dataset_meta = dict(classes=CLASSES)
    return result


def samples(keys=KEYS):
    """Images of random classes without bikes, ten percent of them ignored."""
    found = []
    for seed, key in enumerate(keys):
        rng = np.random.default_rng(seed)
        truth = rng.integers(0, 3, (1, 20, 30))
        wrong = rng.random(truth.shape) < 0.2 + 0.1 * seed
        prediction = np.where(wrong, rng.integers(0, 3, truth.shape), truth)
        truth[rng.random(truth.shape) < 0.1] = 255
        found.append(
            dict(
                key=key,
                img_path=f'{key}.png',
                pred_sem_seg=dict(data=torch.from_numpy(prediction)),
                gt_sem_seg=dict(data=torch.from_numpy(truth)),
            )
        )
    return found


def evaluate(evaluated, images):
    for image in images:
        evaluated.process({}, [image])
    return evaluated.evaluate(len(images))


def mean_iou(images, classes=(0, 1, 2)):
    """The mean IoU in percent, pixel by pixel."""
    pairs = [
        (image['pred_sem_seg']['data'], image['gt_sem_seg']['data'])
        for image in images
    ]
    predicted = torch.cat([p[t != 255] for p, t in pairs])
    truth = torch.cat([t[t != 255] for _, t in pairs])
    values = [
        ((predicted == k) & (truth == k)).sum()
        / ((predicted == k) | (truth == k)).sum()
        for k in classes
    ]
    return round(100 * float(sum(values) / len(values)), 2)


def test_each_group_is_evaluated_as_a_whole():
    images = samples()
    found = evaluate(metric(prefix='acdc'), images)
    for group in ('fog', 'night', 'snow'):
        own = [image for image in images if image['key'].startswith(group)]
        assert found[f'acdc/mIoU.{group}'] == mean_iou(own)
    assert found['acdc/mIoU'] == mean_iou(images)


def test_the_values_of_the_whole_do_not_change():
    images = samples()
    plain = evaluate(metric(None), images)
    grouped = evaluate(metric(), images)
    whole = {k: v for k, v in grouped.items() if not k.startswith('mIoU.')}
    np.testing.assert_equal(whole, plain)


@pytest.mark.parametrize(
    ('pattern', 'groups'),
    [
        ('/([A-Z])/', ['A', 'B', 'C']),
        ('fog|night|snow', ['fog', 'night', 'snow']),
        ('^(fog)?', ['fog', 'other']),
        (r'\d$', ['1', '2']),
        (0, ['fog', 'night', 'snow']),
        (-1, ['A', 'B', 'C']),
        (
            {'*/[AB]/*': 'near', 'fog/A/1': 'mine', '*': 'far'},
            ['far', 'mine', 'near'],
        ),
    ],
)
def test_names_of_groups(pattern, groups):
    found = evaluate(metric(pattern), samples())
    names = [k for k in found if k.startswith('mIoU.')]
    assert names == [f'mIoU.{group}' for group in groups]


def test_subsets_of_groups():
    images = samples()
    subsets = dict(mIoU2=['road', 'sky'])
    found = evaluate(metric(subsets=subsets), images)
    assert found['mIoU2.snow'] == mean_iou(images[3:4], (0, 2))


def test_the_tables(caplog):
    logger = MMLogger.get_current_instance()
    logger.addHandler(caplog.handler)
    found = evaluate(metric(), samples())
    logger.removeHandler(caplog.handler)
    (text,) = (r.message for r in caplog.records if 'by group' in r.message)
    rows = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip('|').split('|')]
        rows.setdefault(cells[0], cells[1:])
    assert rows['group'] == ['images', 'mIoU', 'mAcc', 'aAcc']
    assert rows['fog'][:2] == ['2', f'{found["mIoU.fog"]:.2f}']
    whole = [f'{found[k]:.2f}' for k in ('mIoU', 'mAcc', 'aAcc')]
    assert rows['all'] == ['5', *whole]
    assert rows['IoU'] == ['fog', 'night', 'snow', 'all']
    assert rows['car'][-1] == f'{found["IoU.car"]:.2f}'
    assert rows['bike'] == ['nan'] * 4


def of_a_process():
    """One process evaluates every other image, and one twice."""
    rank = torch.distributed.get_rank()
    evaluated = metric()
    images = samples()
    for image in [*images, images[0]][rank::2]:
        evaluated.process({}, [image])
    return evaluated.evaluate(len(images))


def test_several_processes_are_as_one(tmp_path):
    alone = evaluate(metric(), samples())
    first, second = gloo.run(of_a_process, tmp_path)
    for found in (first, second):
        assert list(found) == list(alone)
        np.testing.assert_equal(found, alone)


def test_no_group_in_a_key():
    with pytest.raises(DataError, match="finds nothing in the key 'fog/A/1'"):
        evaluate(metric('rain'), samples())


def test_samples_without_keys():
    (image,) = samples(KEYS[:1])
    del image['key']
    with pytest.raises(ConfigError, match='PackDomainInputs'):
        evaluate(metric(), [image])


@pytest.mark.parametrize('rule', ['(', 1.5])
def test_no_regular_expression(rule):
    with pytest.raises(ConfigError, match='group_by=.*no regular expression'):
        metric(rule)


def test_a_level_that_keys_do_not_have():
    with pytest.raises(DataError, match=r"group_by=2 .*'fog/A/1'.* 2 folder"):
        evaluate(metric(2), samples())


@pytest.mark.parametrize(
    'names', [{}, {'fog/*': 3}, {'fog/*': ''}, {1: 'fog'}]
)
def test_names_that_are_none(names):
    with pytest.raises(ConfigError, match='must name at least one group'):
        metric(names)


def test_an_image_that_a_mapping_leaves_out():
    with pytest.raises(DataError, match="'night/B/1'.*'other' at the end"):
        evaluate(metric({'fog/*': 'fog'}), samples())


def test_conditions_in_a_file(tmp_path):
    """As if the mapping stood in the config; the total stays as it is."""
    names = {key: 'dim' if 'night' in key else 'bright' for key in KEYS}
    path = tmp_path / 'conditions.json'
    path.write_text(json.dumps(names))
    images = samples()
    found = evaluate(metric(str(path)), images)
    dim = [image for image in images if 'night' in image['key']]
    assert found['mIoU.dim'] == mean_iou(dim)
    np.testing.assert_equal(found, evaluate(metric(names), images))
    assert found['mIoU'] == evaluate(metric(None), images)['mIoU']


def test_a_file_that_holds_something_else(tmp_path):
    path = tmp_path / 'conditions.json'
    path.write_text('["fog"]')
    with pytest.raises(DataError, match=r'conditions\.json.*<group>'):
        metric(str(path))


@pytest.mark.parametrize('rule', ['all', {'fog/*': 'fog', '*': 'all'}])
def test_a_group_is_not_called_as_the_whole(rule):
    groups = ImageGroups(rule)
    with pytest.raises(ConfigError, match="'all', as all images together"):
        groups.of(dict(key='overall/1'))


class Keys(list):
    def get_data_info(self, index):
        return dict(key=self[index], img_path=f'{self[index]}.png')


def test_groups_are_looked_up_before_the_evaluation():
    groups = ImageGroups({'fog/*': 'fog', 'snow/A/1': 'snow', 'sun/*': 'sun'})
    with pytest.raises(DataError, match="nothing in the key 'night/B/1'"):
        examine_groups(groups, Keys(KEYS))
    (line,) = examine_groups(groups, Keys(['fog/A/1', 'snow/A/1']))
    assert line.endswith("1 of its entries fit no image, as 'sun/*'")
    assert examine_groups(groups, Keys(['fog/1', 'snow/A/1', 'sun/2'])) == []
    assert examine_groups(groups, [1, 2]) == []
