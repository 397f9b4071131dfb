"""What methods are shown in an iteration."""

import pytest
import torch
from mmengine.structures import PixelData
from tiny_models import batch, preprocessor_config

from mmuda.models.uda.base import FullSize
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError, DataError


def prepared(data):
    return MODELS.build(preprocessor_config())(data, True)


def with_labels(data, **fields):
    """A batch whose first target sample has some fields of one value."""
    sample = data['data_samples']['target'][0]
    for name, value in fields.items():
        label = torch.full((1, *sample.img_shape), value)
        sample.set_data({name: PixelData(data=label)})
    return data


def test_labels_of_the_source_are_its_ground_truth():
    data = batch(2)
    labels = prepared(data).source.labels
    expected = [s.gt_sem_seg.data[0] for s in data['data_samples']['source']]
    assert torch.equal(labels, torch.stack(expected))


def test_ground_truth_of_a_target_is_not_looked_at():
    data = with_labels(batch(), gt_sem_seg=1)
    assert prepared(data).targets['target'].labels is None
    data = with_labels(batch(), gt_sem_seg=1, pseudo_sem_seg=3)
    assert prepared(data).targets['target'].labels.unique().tolist() == [3]


def test_labels_of_some_images_are_none():
    target = prepared(with_labels(batch(2), pseudo_sem_seg=3)).targets
    with pytest.raises(DataError, match=r'image\.png has no pseudo-label; '):
        target['target'].require_labels()


def test_labels_of_unlike_sizes_are_named():
    data = with_labels(batch(2), pseudo_sem_seg=3)
    label = torch.zeros(1, 8, 8, dtype=torch.long)
    data['data_samples']['target'][1].pseudo_sem_seg = PixelData(data=label)
    with pytest.raises(DataError, match=r'pseudo-label is \(8, 8\), the batc'):
        prepared(data).targets['target'].require_labels()


def test_labels_of_another_size_than_the_images_are_named():
    data = batch()
    label = torch.zeros(1, 8, 8, dtype=torch.long)
    data['data_samples']['source'][0].gt_sem_seg = PixelData(data=label)
    with pytest.raises(DataError, match=r'label is \(8, 8\), the batch \(33'):
        prepared(data).source.require_labels()


def test_logits_at_full_size_are_those_of_all_heads():
    made = []
    full = FullSize(dict(a=1, b=2), lambda x: made.append(x) or 10 * x)
    assert list(full) == ['a', 'b']
    assert 'b' in full
    assert full.get('c') is None
    assert not made
    assert full['b'] == full['b'] == 20
    assert made == [2]
    assert dict(full) == dict(a=10, b=20)


def test_a_batch_without_source_is_refused():
    data = {k: {'target': v['target']} for k, v in batch().items()}
    with pytest.raises(ConfigError, match="no 'source'"):
        prepared(data)
