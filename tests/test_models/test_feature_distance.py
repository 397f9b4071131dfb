"""DAFormer's feature distance, against published numbers and by hand."""

import gloo
import golden_inputs
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.dist import get_rank
from tiny_models import NUM_CLASSES, batch, model_config, segmentor_config

from mmuda.models.terms.feature_distance import cell_labels, feature_distance
from mmuda.registry import MODELS
from mmuda.utils.errors import ConfigError

WEIGHT = 0.005
# Upper case and hyphens do not matter.
CLASSES = ('road', 'Traffic-Light', 'car', 'sky', 'person')


@pytest.fixture(scope='module')
def golden():
    return golden_inputs.load_modern('featdist')


def labels_of(golden):
    features = golden['student']
    return cell_labels(golden['label'][:, 0], features.shape[2:])


def test_labels_of_cells_are_the_published_ones(golden):
    labels = labels_of(golden)
    assert torch.equal(labels, golden['label_small'][:, 0])
    kept = torch.isin(labels, golden['classes'])
    assert torch.equal(kept, golden['mask'][:, 0])


@pytest.mark.parametrize(
    ('suffix', 'gradient'),
    [
        ('', 'grad_student'),
        ('_all_positions', 'grad_all_positions'),
        ('_no_thing_pixel', 'grad_no_thing_pixel'),
    ],
)
def test_distance_is_the_published_one(golden, suffix, gradient):
    student = golden['student'].clone().requires_grad_()
    kept = {
        '': torch.isin(labels_of(golden), golden['classes']),
        '_all_positions': None,
        '_no_thing_pixel': torch.zeros(labels_of(golden).shape).bool(),
    }[suffix]
    loss = WEIGHT * feature_distance(student, golden['imagenet'], kept)
    loss.backward()
    # The published value of no position is NaN.
    expected = golden[f'loss{suffix}'].nan_to_num(0)
    torch.testing.assert_close(loss, expected, rtol=1e-9, atol=0)
    expected = golden[gradient]
    torch.testing.assert_close(
        student.grad, expected, rtol=0, atol=1e-8 * expected.abs().max().item()
    )


@pytest.mark.parametrize('size', [(4, 6), (2, 3), (5, 7), (3, 7)])
def test_cells_lie_where_their_features_do(size):
    rows, columns = size
    labels = torch.zeros(1, 32, 48).long()
    labels[0, 16:, 24:] = 2
    found = cell_labels(labels, size)
    below = torch.arange(rows)[:, None] / rows >= 0.5
    right = torch.arange(columns) / columns >= 0.5
    corner = below & right
    assert found.shape == (1, *size)
    assert (found[0][corner] == 2).all()
    other = torch.arange(rows)[:, None] + 1 <= rows / 2
    assert (found[0][other.expand(size)] == 0).all()


@pytest.mark.parametrize('share', [0.6, 0.75, 1.0])
def test_a_class_must_have_its_share(share):
    labels = torch.full((1, 10, 10), 255)
    labels.view(-1)[: round(100 * share)] = 4
    assert cell_labels(labels, (1, 1), share) == 4
    labels[0, 0, 0] = 1
    assert cell_labels(labels, (1, 1), share) == 255


def build(meta=None, num_classes=NUM_CLASSES, segmentor=None, **options):
    torch.manual_seed(0)
    segmentor = segmentor or segmentor_config()
    for head in ('decode_head', 'auxiliary_head'):
        segmentor[head]['num_classes'] = num_classes
    model = MODELS.build(
        model_config(
            'MinEnt',
            segmentor=segmentor,
            terms=[dict(type='FeatureDistance', **options)],
        )
    )
    for weight in model.segmentor.backbone.parameters():
        weight.data.mul_(1.5)
    model.dataset_meta = meta and dict(classes=meta)
    return model.double().train()


def source_of(model):
    """A batch of the source that is all of a thing, the second half not."""
    source = model.data_preprocessor(batch(2, source_size=(32, 64)), True)
    source = source.source
    source.labels[:, :, :32], source.labels[:, :, 32:] = 2, 0
    return source


@pytest.mark.parametrize(
    ('things', 'meta', 'num_classes', 'halves'),
    [
        (['car'], CLASSES, NUM_CLASSES, (0,)),
        (['Road'], CLASSES, NUM_CLASSES, (1,)),
        ([2, 'traffic_light'], CLASSES, NUM_CLASSES, (0,)),
        ([2, 0], None, NUM_CLASSES, (0, 1)),
        ('all', None, NUM_CLASSES, (0,)),
        (None, CLASSES, NUM_CLASSES, (0,)),
    ],
)
def test_things_count_by_name_or_number(things, meta, num_classes, halves):
    model = build(meta, num_classes, weight=0.3, things=things)
    source = source_of(model)
    found = model.losses_on(source, {})['source.loss_feature_distance']
    with torch.no_grad():
        features = model.segmentor.backbone(source.images)[-1]
        difference = features - model.imagenet(source.images)[-1]
    distance = difference.square().sum(1).sqrt()
    # Nine columns; the border runs through the middle one.
    ends = {0: distance[..., :4], 1: distance[..., 5:]}
    if things == 'all':
        ends = {0: distance}
    mean = torch.cat([ends[i] for i in halves], dim=2).mean()
    torch.testing.assert_close(found, 0.3 * mean, rtol=1e-9, atol=0)


def test_things_of_cityscapes_count_as_far_as_the_data_has_them():
    model = build(CLASSES, things=None)
    assert sorted(model.terms[0]._thing_ids(model)) == [1, 2, 4]


def test_without_data_the_things_are_those_of_cityscapes():
    model = build(num_classes=19, things=None)
    assert model.terms[0]._thing_ids(model) == [6, 7, *range(11, 19)]


def test_no_thing_costs_nothing():
    model = build(CLASSES, things=['sky'])
    losses = model.losses_on(source_of(model), {})
    loss = losses['source.loss_feature_distance']
    loss.backward()
    assert loss == 0
    for name, weight in model.segmentor.named_parameters():
        assert weight.grad is None or not weight.grad.any(), name


def kept_mean(rows):
    """Distance of some of four rows, of which the first ones are kept."""
    difference = torch.arange(24.0).view(4, 3, 1, 2)
    kept = torch.arange(4)[:, None, None].expand(4, 1, 2) < 1
    kept = kept | (torch.arange(2) * torch.ones(4, 1, 1) > 0)
    return feature_distance(difference[rows], 0 * difference[rows], kept[rows])


def mean_of_a_process():
    return kept_mean([[0], [1, 2, 3]][get_rank()])


def test_positions_of_all_processes_count_alike(tmp_path):
    means = gloo.run(mean_of_a_process, tmp_path)
    expected = kept_mean([0, 1, 2, 3])
    torch.testing.assert_close(sum(means) / 2, expected)


def test_half_precision_holds_large_features():
    features = torch.full((1, 64, 2, 2), 60.0).half()
    distance = feature_distance(features, 0 * features)
    assert distance.dtype == torch.float32
    assert distance.item() == pytest.approx(480)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(weight=-1), 'weight=-1: must be a finite number of at least 0'),
        (dict(things='car'), "things='car': must be a list of classes, 'all'"),
        (dict(things=[5]), 'things: 5 is no train id of 5 classes'),
        (dict(min_share=0.5), r'min_share=0.5: must be a number in \(0.5'),
        (dict(segmentor=segmentor_config() | dict(neck=dict(
            type='MultiLevelNeck', in_channels=[32, 64], out_channels=64,
        ))), 'the segmentor has a neck'),
    ],
)  # fmt: skip
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        build(**options)


@pytest.mark.parametrize(
    ('things', 'meta', 'message'),
    [
        (['cat'], CLASSES, r"no 'cat' \(it has road, Traffic-Light, car"),
        (['car'], None, "no 'car'.*classes are not known here; write train"),
        (None, tuple('abcde'), 'none of the things of Cityscapes'),
        (None, None, 'classes of the data are not known here'),
    ],
)
def test_unknown_things_are_refused(things, meta, message):
    model = build(meta, things=things)
    with pytest.raises(ConfigError, match=message):
        model.losses_on(source_of(model), {})


@pytest.mark.parametrize(
    'given', [None, 'backbone', 'segmentor', 'pretrained']
)
def test_random_features_to_compare_to_are_warned_of(
    tmp_path, monkeypatch, given
):
    said = []
    monkeypatch.setattr(
        'mmuda.models.pretrained.print_log',
        lambda message, *_: 'names no' in message and said.append(message),
    )
    segmentor = ConfigDict(segmentor_config())
    network = MODELS.build(segmentor_config())
    file = tmp_path / 'weights.pth'
    part = network if given == 'segmentor' else network.backbone
    torch.save(part.state_dict(), file)
    weights = dict(type='Pretrained', checkpoint=str(file))
    if given == 'backbone':
        segmentor['backbone']['init_cfg'] = weights
    if given == 'segmentor':
        segmentor['init_cfg'] = weights
    if given == 'pretrained':
        segmentor['pretrained'] = str(file)
    model = MODELS.build(
        model_config(
            'SourceOnly',
            segmentor=segmentor,
            terms=[dict(type='FeatureDistance')],
            teacher=True,
        )
    )
    model.init_weights()
    assert len(said) == (given is None)
    for message in said:
        assert 'model.segmentor.backbone.init_cfg names no' in message
        assert "'imagenet'" in message
    start = network.backbone.state_dict()
    for name, value in model.imagenet.state_dict().items():
        if given and value.is_floating_point():
            assert torch.equal(value, start[name]), name
