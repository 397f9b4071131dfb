"""Networks and optimizers of the configs with several targets."""

import pytest
import torch
from mtda_leaves import (
    KINDS,
    build,
    domains_of,
    is_small,
    method_of,
    multipliers,
    size_of,
)

ONE = dict(backbone={1}, decode_head={10}, auxiliary_head={10})
SELF_TRAINED = dict(backbone={1}, target_heads={1}, decode_head={10})
MULTIPLIERS = dict(
    advent=ONE,
    source_only=ONE,
    multi_dis=ONE,
    ccl=ONE,
    mtkt=ONE | dict(target_heads={10}),
    warm_up=dict(backbone={1}, target_heads={10}, decode_head={10}),
    coast=SELF_TRAINED,
    mlcl=SELF_TRAINED | dict(ensemble_head={1}),
)


def players_of(leaf):
    """Names of the optimizers that a method needs."""
    targets, method = domains_of(leaf)[1], method_of(leaf)
    own = [f'discriminator_{target}' for target in targets]
    among = [f'discriminator_targets_{target}' for target in targets]
    among = among if len(targets) > 2 else ['discriminator_targets']
    others = dict(
        advent=['discriminator'],
        multi_dis=[f'discriminator_source_{t}' for t in targets] + among,
        mtkt=own,
        warm_up=own,
        ccl=own + [f'expert_{target}' for target in targets],
    )
    return {'segmentor', *others.get(method, [])}


@pytest.mark.parametrize('leaf', KINDS)
def test_model_and_optimizers_build(leaf):
    assert set(build(leaf)[1].optim_wrappers) == players_of(leaf)


@pytest.mark.parametrize('leaf', KINDS)
def test_heads_that_learn_faster(leaf):
    expected = MULTIPLIERS[method_of(leaf)]
    if is_small(leaf):
        expected = dict.fromkeys(expected, {1})
        if 'efficientnet' in leaf:
            # of ImageNet, and one head
            expected['backbone'] = {0.1}
            expected.pop('auxiliary_head', None)
    assert multipliers(leaf) == expected


@pytest.mark.parametrize(
    'leaf', ['ccl_deeplabv2-r101_g2cmi', 'ccl_deeplabv2-r18_carla2camvid']
)
def test_experts_learn_like_the_student(leaf):
    for target in domains_of(leaf)[1]:
        assert multipliers(leaf, f'expert_{target}') == multipliers(leaf)


@pytest.mark.parametrize(
    ('leaf', 'kind', 'rate', 'decay'),
    [
        ('advent_deeplabv2-r101_g2ci', 'SGD', 2.5e-4, 5e-4),
        ('mtkt_deeplabv2-r101_g2ci', 'SGD', 2.5e-4, 5e-4),
        ('ccl_deeplabv2-r101_g2ci', 'SGD', 2.5e-4, 5e-4),
        ('warm_up_aspp-r101_g2ci', 'SGD', 2.5e-4, 2e-4),
        ('warm_up_aspp-mit-b5_g2ci_960x480', 'SGD', 2.5e-4, 2e-4),
        ('coast_aspp-r101_g2ci', 'SGD', 1e-4, 2e-4),
        ('mlcl_aspp-r101_g2ci', 'SGD', 2.5e-4, 1e-4),
        ('mlcl_aspp-vgg16_g2ci', 'SGD', 2.5e-4, 1e-4),
        ('mlcl_aspp-mit-b5_g2ci_960x480', 'AdamW', 6e-5, 1e-2),
    ],
)
def test_optimizer_is_the_published_one(leaf, kind, rate, decay):
    optimizer = build(leaf)[1]['segmentor'].optimizer
    assert type(optimizer).__name__ == kind
    assert optimizer.defaults['lr'] == rate
    assert optimizer.defaults['weight_decay'] == decay


@pytest.mark.parametrize(
    ('leaf', 'trains'),
    [
        ('warm_up_aspp-r101_g2ci', False),
        ('coast_aspp-r101_g2ci', True),
        ('mlcl_aspp-r101_g2ci', True),
        ('warm_up_aspp-r18_carla2camvid', True),
        ('coast_aspp-r18_carla2camvid', True),
    ],
)
def test_batch_norm_trains_in_stage_1_only(leaf, trains):
    backbone = build(leaf)[0].train().segmentor.backbone
    norm = backbone.layer1[0].bn1
    assert norm.training == trains
    assert norm.weight.requires_grad == trains


@pytest.mark.parametrize(
    ('leaf', 'size'),
    [
        ('coast_aspp-r101_g2ci', (41, 81)),
        ('coast_aspp-r101_g2ci_19', (65, 129)),
        ('mlcl_aspp-vgg16_g2ci', (40, 80)),
        ('mlcl_aspp-mit-b5_g2ci_960x480', (120, 240)),
    ],
)
def test_resolution_of_the_logits(leaf, size):
    width, height = size_of(leaf)
    segmentor = build(leaf)[0].segmentor.eval()
    with torch.no_grad():
        logits = segmentor.predict_logits(torch.zeros(1, 3, height, width))
    assert logits.shape[2:] == size


def test_ensemble_sees_the_features_of_all_targets():
    heads = build('mlcl_aspp-r101_g2cmbi_19')[0].segmentor.heads()
    assert heads['ensemble'].in_channels == 4 * heads['decode'].in_channels


def test_image_is_scaled_to_one():
    preprocessor = build('mlcl_aspp-r101_g2ci')[0].data_preprocessor
    image = torch.tensor([0, 51, 255], dtype=torch.uint8).view(3, 1, 1)
    data = dict(inputs=[image], data_samples=None)
    values = preprocessor(data)['inputs'][0].flatten()
    assert values.tolist() == pytest.approx([1, 0.2, 0])
