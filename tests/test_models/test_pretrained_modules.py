"""Weights of ``init_cfg=Pretrained`` cover every kind of module, or stop."""

import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.model import BaseModule
from mmengine.model.weight_init import PretrainedInit
from tiny_models import model_config, segmentor_config

from mmuda.models.pretrained import covered_by_pretrained_weights
from mmuda.registry import MODELS
from mmuda.utils.config_keys import check_config_keys
from mmuda.utils.errors import CheckpointError, ConfigError

RESNET = dict(
    depth=18,
    base_channels=8,
    stem_channels=8,
    num_stages=2,
    strides=(1, 2),
    dilations=(1, 1),
    out_indices=(1,),
)
VIT = dict(img_size=32, patch_size=16, embed_dims=16, num_layers=1)
CONFIGS = {
    'ResNet': dict(type='ResNet', **RESNET),
    'ResNetV1c': dict(type='ResNetV1c', **RESNET),
    'MixVisionTransformer': dict(
        type='MixVisionTransformer',
        embed_dims=4,
        num_stages=2,
        num_layers=[1, 1],
        num_heads=[1, 2],
        patch_sizes=[7, 3],
        strides=[4, 2],
        sr_ratios=[8, 4],
        out_indices=(0, 1),
    ),
    'VisionTransformer': dict(type='VisionTransformer', num_heads=2, **VIT),
    'BEiT': dict(type='BEiT', num_heads=2, out_indices=(0,), **VIT),
    'SwinTransformer': dict(
        type='SwinTransformer',
        embed_dims=8,
        depths=(1, 1),
        num_heads=(1, 2),
        strides=(4, 2),
        out_indices=(0, 1),
        window_size=4,
    ),
    'PIDNet': dict(
        type='PIDNet',
        channels=4,
        ppm_channels=4,
        num_stem_blocks=1,
        num_branch_blocks=1,
    ),
    'FPN': dict(type='FPN', in_channels=[4, 8], out_channels=4, num_outs=2),
    'FCNHead': segmentor_config()['decode_head'],
    'MultiLevelDiscriminator': dict(
        type='MultiLevelDiscriminator',
        levels=['decode', 'aux'],
        in_channels=5,
        base_channels=4,
    ),
    'UDAEncoderDecoder': segmentor_config(),
    'AdvEnt': model_config('AdvEnt'),
}
KINDS = list(CONFIGS)


def build(kind, **init_cfg):
    torch.manual_seed(0)
    config = dict(CONFIGS[kind])
    if init_cfg:
        config['init_cfg'] = init_cfg
    return MODELS.build(config)


def weights(kind):
    """Weights that no initialisation draws."""
    return {
        name: torch.full_like(
            tensor, 0.25 if tensor.is_floating_point() else 0
        )
        for name, tensor in build(kind).state_dict().items()
    }


@pytest.fixture
def initialised(tmp_path):
    """Initialise a module, as a part of a model, by a file."""

    def run(kind, content, **options):
        file = tmp_path / 'weights.pth'
        torch.save(content, file)
        options = dict(type='Pretrained', checkpoint=str(file)) | options
        parent = BaseModule()
        parent.part = build(kind, **options)
        with covered_by_pretrained_weights(parent):
            parent.init_weights()
        return parent.part.state_dict()

    return run


def floating(state):
    return {n: t for n, t in state.items() if t.is_floating_point()}


@pytest.mark.parametrize('kind', KINDS)
def test_a_file_that_covers_is_loaded(initialised, kind):
    stored = weights(kind)
    if kind not in ('FCNHead', 'UDAEncoderDecoder', 'AdvEnt'):
        stored['head.weight'] = torch.zeros(10, 4)  # of ImageNet
    loaded = floating(initialised(kind, stored))
    assert loaded
    assert all((tensor == 0.25).all() for tensor in loaded.values())


@pytest.mark.parametrize('kind', KINDS)
def test_a_file_that_fits_nothing_is_refused(initialised, kind):
    with pytest.raises(CheckpointError, match='missing'):
        initialised(kind, {'no.such.weight': torch.zeros(3)})


def test_tensors_that_are_looked_up_before_loading(initialised):
    stored = {f'backbone.{n}': t for n, t in weights('BEiT').items()}
    expected = (
        r"does not fit model\.part: BEiT misses 'backbone\.layers\.0.*"
        'file of their own, as .* takes no prefix'
    )
    with pytest.raises(CheckpointError, match=expected):
        initialised('BEiT', stored)


def short(name):
    """As the part is called that is at fault."""
    return name.removeprefix('discriminator.')


def last_of(stored):
    return [n for n, t in stored.items() if t.is_floating_point()][-1]


@pytest.mark.parametrize('kind', KINDS)
def test_a_file_without_one_tensor_is_refused(initialised, kind):
    stored = weights(kind)
    name = last_of(stored)
    del stored[name]
    with pytest.raises(CheckpointError, match=f'missing.*{short(name)}'):
        initialised(kind, stored)


@pytest.mark.parametrize('kind', KINDS)
def test_a_tensor_of_another_shape_is_refused(initialised, kind):
    stored = weights(kind)
    name = last_of(stored)
    stored[name] = torch.zeros(99)
    with pytest.raises(
        CheckpointError, match=rf'{short(name)} \(99,\) instead of'
    ):
        initialised(kind, stored)


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize(
    ('value', 'message'),
    [
        (torch.int8, 'int8 instead of float32'),
        (torch.complex64, 'complex64 instead of float32'),
        (float('nan'), '1 tensors hold NaN'),
        (float('-inf'), '1 tensors hold NaN or infinite'),
    ],
)
def test_a_tensor_of_no_numbers_is_refused(initialised, kind, value, message):
    stored = weights(kind)
    tensor = stored[last_of(stored)]
    if isinstance(value, torch.dtype):
        stored[last_of(stored)] = tensor.to(value)
    else:
        tensor.view(-1)[0] = value
    with pytest.raises(CheckpointError, match=message):
        initialised(kind, stored)


@pytest.mark.parametrize('kind', [k for k in KINDS if k != 'AdvEnt'])
@pytest.mark.parametrize('missing', [True, False])
def test_partial_names_what_may_be_left_at_random(initialised, kind, missing):
    stored = weights(kind)
    name = last_of(stored)
    if missing:
        del stored[name]
    else:
        stored[name] = torch.zeros(99)
    loaded = floating(initialised(kind, stored, partial=[name]))
    assert not (loaded.pop(name) == 0.25).any()
    assert all((tensor == 0.25).all() for tensor in loaded.values())


@pytest.mark.parametrize('kind', [k for k in KINDS if k != 'AdvEnt'])
def test_partial_needs_one_tensor_that_fits(initialised, kind):
    stored = {'no.such.weight': torch.zeros(3)}
    with pytest.raises(CheckpointError, match='no tensor fits'):
        initialised(kind, stored, partial=True)


def test_half_precision_is_converted(initialised):
    stored = {k: v.half() for k, v in weights('ResNet').items()}
    loaded = floating(initialised('ResNet', stored))
    assert {tensor.dtype for tensor in loaded.values()} == {torch.float32}
    assert all((tensor == 0.25).all() for tensor in loaded.values())


def test_mmengines_own_class_is_checked_too(initialised):
    with pytest.raises(CheckpointError, match='missing'):
        initialised('ResNet', {'a.b': torch.zeros(3)}, type=PretrainedInit)


def test_the_part_of_a_larger_network_is_named(initialised):
    stored = {f'student.{k}': v for k, v in weights('ResNet').items()}
    with pytest.raises(CheckpointError, match=r"prefix='student\.'"):
        initialised('ResNet', stored | {'teacher.a': torch.zeros(1)})


@pytest.mark.parametrize('kind', ['VisionTransformer', 'PIDNet'])
@pytest.mark.parametrize('options', [{}, dict(prefix='backbone.')])
def test_no_prefix_is_proposed_to_classes_that_take_none(
    initialised, kind, options
):
    stored = {f'backbone.{k}': v for k, v in weights(kind).items()}
    with pytest.raises(
        CheckpointError, match=r"part 'backbone\.' has .* to a file of its own"
    ) as error:
        initialised(kind, stored | {'head.a': torch.zeros(1)}, **options)
    assert 'prefix=' not in str(error.value)
    assert 'takes no prefix' in str(error.value)


def test_a_module_around_it_that_loads_is_not_taken_for_it(tmp_path):
    """A whole file may fill what the backbone's own leaves open."""
    stored = weights('UDAEncoderDecoder')
    torch.save(stored, tmp_path / 'whole.pth')
    backbone = {
        k.removeprefix('backbone.'): v
        for k, v in stored.items()
        if k.startswith('backbone.') and 'conv1.weight' not in k
    }
    torch.save(backbone, tmp_path / 'part.pth')
    config = segmentor_config()
    for part, file in ((config, 'whole'), (config['backbone'], 'part')):
        checkpoint = str(tmp_path / f'{file}.pth')
        part['init_cfg'] = dict(type='Pretrained', checkpoint=checkpoint)
    config['backbone']['init_cfg']['partial'] = ['conv1', 'layer']
    model = MODELS.build(model_config('SourceOnly', segmentor=config))
    model.init_weights()
    assert (model.segmentor.backbone.conv1.weight == 0.25).all()


def uda_model(init_cfg, **kwargs):
    config = segmentor_config()
    config['backbone']['init_cfg'] = init_cfg
    return MODELS.build(model_config('AdvEnt', segmentor=config, **kwargs))


@pytest.mark.parametrize('teacher', [True, False])
def test_a_missing_file_is_named_with_its_place(tmp_path, teacher):
    file = tmp_path / 'no.pth'
    init_cfg = dict(type='Pretrained', checkpoint=str(file))
    model = uda_model(init_cfg, teacher=teacher)
    with pytest.raises(CheckpointError) as error:
        model.init_weights()
    told = str(error.value)
    place = 'model.segmentor.backbone.init_cfg'
    assert told.startswith(f"{place}.checkpoint: '{file}'")
    assert f'--cfg-options {place}=None' in told


def test_a_teacher_starts_with_the_pretrained_weights(tmp_path):
    stored = {
        name.removeprefix('backbone.'): tensor
        for name, tensor in weights('UDAEncoderDecoder').items()
        if name.startswith('backbone.')
    }
    torch.save(stored, tmp_path / 'weights.pth')
    file = str(tmp_path / 'weights.pth')
    init_cfg = dict(type='Pretrained', checkpoint=file)
    model = uda_model(init_cfg, teacher=True)
    model.init_weights()
    for network in (model.segmentor, model.teacher):
        assert (network.backbone.conv1.weight == 0.25).all()


def test_a_file_that_nobody_reads_is_refused(tmp_path):
    """Such as beside weights that a class has loaded by itself."""
    file = tmp_path / 'weights.pth'
    torch.save(weights('ResNet'), file)
    parent = BaseModule()
    init_cfg = dict(type='Pretrained', checkpoint=str(file))
    parent.part = build('ResNet', **init_cfg)
    parent.part.is_init = True
    with (
        pytest.raises(
            ConfigError, match=r'model\.part\.init_cfg: ResNet does'
        ),
        covered_by_pretrained_weights(parent),
    ):
        parent.init_weights()


def test_nothing_is_read_twice(tmp_path):
    """A runner may train again."""
    torch.save(weights('AdvEnt'), tmp_path / 'weights.pth')
    file = str(tmp_path / 'weights.pth')
    model = build('AdvEnt', type='Pretrained', checkpoint=file)
    for _ in range(2):
        model.init_weights()
    assert (model.segmentor.backbone.conv1.weight == 0.25).all()


def test_keys_are_checked():
    init_cfg = dict(type='Pretrained', checkpoint='a.pth', allow_missing=True)
    cfg = dict(model=dict(backbone=dict(init_cfg=init_cfg)))
    with pytest.raises(ConfigError, match="takes no 'allow_missing'"):
        check_config_keys(cfg)


@pytest.mark.parametrize('partial', ['fc', [1], 3])
def test_partial_is_a_list_of_prefixes(initialised, partial):
    with pytest.raises(ConfigError, match=r'init_cfg\.partial='):
        initialised('ResNet', weights('ResNet'), partial=partial)


def test_a_method_does_not_take_the_argument_of_a_segmentor():
    config = model_config('AdvEnt', pretrained='weights.pth')
    with pytest.raises(ConfigError, match=r'model\.pretrained=.* is not read'):
        MODELS.build(config)


def test_pretrained_of_a_segmentor_must_cover(tmp_path):
    torch.save({'a.b': torch.zeros(1)}, tmp_path / 'a.pth')
    file = str(tmp_path / 'a.pth')
    config = ConfigDict(segmentor_config() | dict(pretrained=file))
    with pytest.warns(UserWarning, match='pretrained'):
        model = MODELS.build(model_config('AdvEnt', segmentor=config))
    with pytest.raises(CheckpointError, match='missing'):
        model.init_weights()
