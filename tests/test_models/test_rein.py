"""Tokens that refine a frozen transformer."""

import copy

import gloo
import pytest
import torch
from mmengine.optim import build_optim_wrapper
from tiny_models import batch, optim_config
from tiny_transformers import (
    rein_config,
    transformer_file,
    transformer_model,
)

from mmuda.models import UDADistributedDataParallel
from mmuda.models.moving_average import update_teacher
from mmuda.registry import MODELS
from mmuda.utils.errors import CheckpointError, ConfigError
from mmuda.utils.setup_env import register_all_modules

IMAGES = torch.randn(2, 3, 42, 28, generator=torch.Generator().manual_seed(1))
TOKENS = [
    'scale',
    'learnable_tokens_a',
    'learnable_tokens_b',
    'mlp_token2feat.weight',
    'mlp_token2feat.bias',
    'mlp_delta_f.weight',
    'mlp_delta_f.bias',
]


@pytest.fixture(scope='module')
def file(tmp_path_factory):
    return transformer_file(tmp_path_factory.mktemp('vit') / 'vit.pth')


def build(file=None, **kwargs):
    torch.manual_seed(0)
    backbone = MODELS.build(rein_config(file, **kwargs))
    backbone.init_weights()
    return backbone


@pytest.mark.parametrize('registers', [0, 2])
def test_patches_are_refined_after_each_block(registers):
    config = rein_config(scale=0.5)
    config['vit']['num_registers'] = registers
    backbone = MODELS.build(config)
    backbone.init_weights()
    seen = []

    def refine(layer, tokens):
        first = tokens[:, : 1 + registers]
        patches = backbone.reins(layer, tokens[:, 1 + registers :])
        seen.append(layer)
        return torch.cat([first, patches], dim=1)

    (expected,) = backbone.vit(IMAGES, after_block=refine)
    assert seen == [0, 1, 2]
    assert backbone(IMAGES)[0].equal(expected)
    assert not torch.allclose(expected, backbone.vit(IMAGES)[0])


def test_tokens_alone_are_trained():
    backbone = build().train()
    assert not any(part.training for part in backbone.vit.modules())
    trained = {n for n, p in backbone.named_parameters() if p.requires_grad}
    assert trained == {f'reins.{name}' for name in TOKENS}
    backbone.learn_mask_token()
    backbone(IMAGES, mask_ratio=0.5)[0].square().sum().backward()
    for name, value in backbone.named_parameters():
        assert (value.grad is not None) == (name in trained), name


@pytest.mark.parametrize('rank', [0, 2])
def test_tokens_start_small(rank):
    tokens = build(rank=rank, num_tokens=100).reins.tokens()
    assert tokens.shape == (3, 100, 24)
    assert 0.05 < tokens.std() < 0.2
    assert not tokens[0].equal(tokens[1])


def test_queries_need_their_channels():
    with pytest.raises(ConfigError, match=r'needs backbone\.query_channels'):
        build().reins.queries()
    assert build(query_channels=6).reins.queries().shape == (5, 6)


def test_another_backbone_is_refused():
    config = rein_config()
    config['vit'] = dict(type='DeepLabVGG')
    with pytest.raises(ConfigError, match=r'backbone\.vit is a DeepLabVGG'):
        MODELS.build(config)


@pytest.mark.parametrize('from_file', [True, False])
def test_checkpoints_hold_what_is_in_no_file(file, from_file):
    model = transformer_model(
        backbone=rein_config(file if from_file else None), teacher=True
    )
    names = [n for n in model.state_dict() if '.backbone.vit.' in n]
    assert bool(names) == (not from_file)
    rein = [n for n in model.state_dict() if '.backbone.reins.' in n]
    assert len(rein) == 2 * len(TOKENS)


def predictions(model):
    model.eval()
    with torch.no_grad():
        return model.segmentor(IMAGES), model.teacher(IMAGES)


@pytest.mark.parametrize('initialised', [True, False])
def test_the_file_is_read_again(file, initialised):
    """Also by a model that is not initialised, as in testing."""
    model = transformer_model(backbone=rein_config(file), teacher=True)
    for value in model.parameters():
        if value.requires_grad:
            value.data += 0.1
    expected = predictions(model)
    other = transformer_model(
        backbone=rein_config(file),
        teacher=True,
        seed=2,
        initialised=initialised,
    )
    other.load_state_dict(model.state_dict())
    for found, wanted in zip(predictions(other), expected, strict=True):
        assert found.equal(wanted)


@pytest.mark.parametrize('from_file', [True, False])
def test_a_teacher_shares_the_transformer(file, from_file):
    model = transformer_model(
        backbone=rein_config(file if from_file else None), teacher=True
    )
    own = {id(p) for p in model.teacher.parameters()}
    shared = own & {id(p) for p in model.segmentor.parameters()}
    vit = {id(p) for p in model.segmentor.backbone.vit.parameters()}
    trained = [p for p in model.segmentor.parameters() if p.requires_grad]
    assert shared == vit
    assert len(own - shared) == len(trained)
    storages = {p.untyped_storage().data_ptr() for p in model.parameters()}
    assert len(storages) == len(vit) + 2 * len(trained)
    if from_file:
        weights = torch.load(file)
        for name, value in model.teacher.backbone.vit.named_parameters():
            assert value.equal(weights[name]), name


def test_a_teacher_averages_tokens_and_head(file):
    model = transformer_model(backbone=rein_config(file), teacher=True)
    for value in model.segmentor.parameters():
        if value.requires_grad:
            value.data += 1
    before = copy.deepcopy(model.teacher.state_dict())
    vit = copy.deepcopy(model.segmentor.backbone.vit.state_dict())
    update_teacher(model.teacher, model.segmentor, 0.75)
    for name, value in model.teacher.named_parameters():
        if '.vit.' not in name:
            torch.testing.assert_close(value, before[name] + 0.25)
    for name, value in model.teacher.backbone.vit.state_dict().items():
        assert value.equal(vit[name])


def test_another_file_is_refused(file, tmp_path):
    model = transformer_model(backbone=rein_config(file))
    other = transformer_file(tmp_path / 'other.pth', seed=5)
    with pytest.raises(CheckpointError, match='trained on another transf'):
        transformer_model(backbone=rein_config(other)).load_state_dict(
            model.state_dict()
        )


def train(model, batches):
    config = optim_config('MinEnt')
    wrappers = build_optim_wrapper(model, config)
    for data in batches:
        model.train_step(data, wrappers)


def test_a_step_moves_tokens_and_head(file):
    model = transformer_model(backbone=rein_config(file), teacher=True)
    before = copy.deepcopy(dict(model.segmentor.named_parameters()))
    train(model, [batch(2)])
    for name, value in model.segmentor.named_parameters():
        frozen = name.startswith('backbone.vit.')
        assert value.equal(before[name]) == frozen, name


def part(data, index):
    return {
        key: {domain: [items[index]] for domain, items in value.items()}
        for key, value in data.items()
    }


def train_rank(file):
    register_all_modules()
    model = transformer_model(backbone=rein_config(file))
    wrapped = UDADistributedDataParallel(model)
    rank = torch.distributed.get_rank()
    train(wrapped.module, [part(batch(2, seed), rank) for seed in range(2)])
    return model.state_dict()


def test_two_processes_equal_one(file, tmp_path):
    first, second = gloo.run(train_rank, tmp_path, file)
    model = transformer_model(backbone=rein_config(file))
    train(model, [batch(2, seed) for seed in range(2)])
    for name, value in model.state_dict().items():
        assert first[name].equal(second[name]), name
        torch.testing.assert_close(value, first[name], rtol=0, atol=1e-6)


def test_published_tokens_are_read(file, tmp_path):
    """A file of Rein has its tokens and a head, linked by queries."""
    tokens = build(query_channels=6).state_dict()
    stored = {
        f'backbone.{name}': value + 1
        for name, value in tokens.items()
        if name.startswith('reins.')
    }
    path = str(tmp_path / 'rein.pth')
    torch.save(dict(state_dict=stored | {'decode_head.a': IMAGES}), path)
    init = dict(
        type='Pretrained',
        checkpoint=path,
        prefix='backbone.',
        partial=['reins.transform.', 'reins.merge.'],
    )
    model = transformer_model(backbone=rein_config(file, init_cfg=init))
    backbone = model.segmentor.backbone
    for name, value in backbone.reins.state_dict().items():
        assert value.equal(stored[f'backbone.reins.{name}']), name
    read = torch.load(file)
    for name, value in backbone.vit.state_dict().items():
        assert value.equal(read[name]), name
