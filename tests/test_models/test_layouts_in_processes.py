"""Two processes of networks in every memory layout and precision.

In float32 a CPU has networks of plain convolutions in channels_last and those
with depthwise ones not; in bfloat16 all are. A method may have both kinds:
the backbone that is kept from a transformer, discriminators beside it.
"""

import copy
from itertools import product
from typing import NamedTuple

import gloo
import pytest
import torch
from collaborative_models import config_of
from dacs_models import ChosenDACS
from hrda_models import hrda_config
from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from several_targets import several
from test_mixed_precision import BF16
from tiny_models import batch, model_config, segmentor_config
from torch.utils.data import Dataset

from mmuda.engine import UDARunner
from mmuda.models import unwrap
from mmuda.models.moving_average import update_teacher
from mmuda.models.segmentors import Box, HRDAEncoderDecoder
from mmuda.models.terms import MaskedConsistency
from mmuda.registry import HOOKS, MODELS
from mmuda.utils.setup_env import register_all_modules

ITERATIONS = 2
SIZE = (32, 48)
BLOCKS = torch.rand(1, 1, 4, 6, generator=torch.Generator().manual_seed(3))
MIT = dict(
    type='MixVisionTransformer',
    embed_dims=4,
    num_heads=(1, 2, 3, 4),
    num_layers=(1, 1, 1, 1),
    drop_path_rate=0,
)
SEGFORMER = dict(
    type='SegformerHead',
    in_channels=[4, 8, 12, 16],
    in_index=[0, 1, 2, 3],
    norm_cfg=None,
)


@MODELS.register_module()
class ChosenBlocks(MaskedConsistency):
    """The same blocks of all images are hidden, in their own colours."""

    def __init__(self):
        super().__init__(block_size=8, augmentation=False, threshold=None)

    def draw_blocks(self, count, height, width):
        return BLOCKS.expand(count, -1, -1, -1)


@MODELS.register_module()
class ChosenDetails(HRDAEncoderDecoder):
    """The same part of all images is seen in detail."""

    def draw_box(self, size):
        return Box(0, 32, 32, 80)


def network(kind):
    """Without dropout, and with norms that see no batch."""
    config = segmentor_config(two_heads=False, norm_eval=True)
    if kind == 'depthwise':
        config['backbone'] = MIT
        head = dict(config['decode_head'], **SEGFORMER)
        for option in ('num_convs', 'concat_input'):
            del head[option]
        config['decode_head'] = head
    return config


def hrda(kind):
    """The same in two resolutions."""
    config = hrda_config('DLV2Head' if kind == 'plain' else 'SegformerHead')
    fixed = dict(norm_eval=True) if kind == 'plain' else MIT
    heads = {
        name: dict(config[name], norm_cfg=None, dropout_ratio=0)
        for name in ('decode_head', 'attention_head')
    }
    backbone = config['backbone'] | fixed
    return dict(config, type='ChosenDetails', backbone=backbone) | heads


DISTANCE = dict(type='FeatureDistance', weight=0.1, things='all')
ONLINE = ChosenDACS.__name__
DACS = dict(threshold=None, teacher=dict(momentum=0.5))
METHODS = {
    'AdvEnt': ('AdvEnt', network, {}),
    'DAFormer': (ONLINE, network, dict(DACS, terms=[DISTANCE])),
    'MinEnt, masked': (
        'MinEnt',
        network,
        dict(terms=[dict(type='ChosenBlocks')]),
    ),
    'MIC on HRDA': (
        ONLINE,
        hrda,
        dict(DACS, terms=[DISTANCE, dict(type='ChosenBlocks')]),
    ),
    'MTKT': ('MTKT', network, {}),
}
ALL = [*product(('plain', 'depthwise'), ('fp32', 'bf16'))]
# Each layout and each precision; all pairs where most kinds of networks meet.
SOME = [('plain', 'fp32'), ('depthwise', 'bf16')]
OTHERS = [('plain', 'bf16'), ('depthwise', 'fp32')]
PAIRS = {
    'AdvEnt': ALL,
    'DAFormer': SOME,
    'MinEnt, masked': OTHERS,
    'MIC on HRDA': ALL,
    'MTKT': SOME,
}
CASES = [(method, *pair) for method in METHODS for pair in PAIRS[method]]


class Domains(Dataset):
    """Four random samples of a source and a target or two."""

    metainfo = dict(classes=[*'abcde'], palette=[[9, 9, 9]] * 5)

    def __init__(self, method):
        self.targets = 2 if method == 'MTKT' else 1
        times = 2 if 'HRDA' in method else 1
        self.size = tuple(times * side for side in SIZE)

    def __len__(self):
        return 4

    def __getitem__(self, index):
        sizes = dict(source_size=self.size, target_size=self.size)
        data = (
            batch(1, index, **sizes)
            if self.targets == 1
            else several(self.targets, 1, index, **sizes)
        )
        return {
            key: {domain: items[0] for domain, items in value.items()}
            for key, value in data.items()
        }


def model_of(method, kind):
    """Config of a method on a network of a kind."""
    name, make, options = METHODS[method]
    segmentor = make(kind)
    if name != 'MTKT':
        return model_config(
            name, two_heads=False, segmentor=segmentor, **options
        )
    config = config_of(name, segmentor=dict(segmentor, auxiliary_head=None))
    config['segmentor']['type'] = 'MultiHeadEncoderDecoder'
    for option in ('adversarial_weights', 'divergence_weights'):
        config[option] = dict(decode=0.1)
    config['discriminator'] = dict(config['discriminator'], levels=['decode'])
    return config


def players_of(method, precision):
    """Plain gradient descent, as Adam makes steps of what is rounded."""
    wrapper = dict(BF16) if precision == 'bf16' else dict(type='OptimWrapper')
    wrapper['optimizer'] = dict(type='SGD', lr=1e-3)
    players = ['segmentor']
    if method in ('AdvEnt', 'MTKT'):
        players.append('discriminator')
    return dict(
        constructor='MultiOptimWrapperConstructor',
        **{name: copy.deepcopy(wrapper) for name in players},
    )


@HOOKS.register_module()
class KeepStartHook(Hook):
    """Keep all networks as they start, then give them lively weights.

    Initial ones let gradients vanish in 16 bits, and features that have not
    moved yet are at a distance whose gradient is rounding alone.
    """

    priority = 'LOWEST'

    def before_train(self, runner):
        self.initialised = tensors_of(runner)
        model = unwrap(runner.model)
        generator = torch.Generator().manual_seed(0)
        for name, child in model.named_children():
            for weight in child.parameters() if name != 'imagenet' else ():
                if weight.dim() == 4:
                    deviation = (2 / weight[0].numel()) ** 0.5
                    weight.data.normal_(0, deviation, generator=generator)
        for name in model.teachers:
            update_teacher(getattr(model, name), model.network, momentum=0)
        self.start = tensors_of(runner)


def tensors_of(run):
    """Weights by name of all networks, also of those that are not saved."""
    return {
        f'{part}.{name}': value.detach().clone()
        for part, child in unwrap(run.model).named_children()
        for name, value in unwrap(child).named_parameters()
    }


def runner_of(folder, method, kind, precision):
    """The tools' runner, which shows two images of a domain at a time."""
    optim = players_of(method, precision)
    processes = get_world_size()
    return UDARunner(
        model=model_of(method, kind),
        work_dir=str(folder),
        experiment_name='_'.join((folder.name, method, kind, precision)),
        train_dataloader=dict(
            dataset=Domains(method),
            sampler=dict(type='InfiniteSampler', shuffle=False),
            batch_size=2 // processes,
            num_workers=0,
        ),
        train_cfg=dict(
            type='UDATrainLoop', max_iters=ITERATIONS, val_interval=10**6
        ),
        optim_wrapper=optim,
        default_hooks=dict(checkpoint=None),
        custom_hooks=[dict(type='KeepStartHook')],
        log_processor=dict(by_epoch=False),
        log_level='ERROR',
        # The first process has the seed of a single one.
        randomness=dict(seed=7, diff_rank_seed=True),
        launcher='none' if processes == 1 else 'pytorch',
        default_scope='mmuda',
        cfg=dict(
            model_wrapper_cfg=dict(type='UDADistributedDataParallel'),
            optim_wrapper=optim,
        ),
    )


class Trained(NamedTuple):
    """Tensors of all networks by name, and whether they are laid out."""

    initialised: dict
    start: dict
    end: dict
    is_channels_last: dict

    def movement(self, network):
        """Of all weights of a network, in one vector."""
        start = network + '.'
        moved = [
            (value - self.start[name]).flatten()
            for name, value in self.end.items()
            if name.startswith(start)
        ]
        return torch.cat(moved)


def trained(folder, case):
    """Train by the tools' runner."""
    run = runner_of(folder, *case)
    run.train()
    (keeper,) = (h for h in run.hooks if isinstance(h, KeepStartHook))
    end = tensors_of(run)
    laid_out = {
        name: value.is_contiguous(memory_format=torch.channels_last)
        for name, value in end.items()
        # Others are in both layouts at once.
        if value.dim() == 4 and 1 not in value.shape[:2]
        if value[0, 0].numel() > 1
    }
    return Trained(keeper.initialised, keeper.start, end, laid_out)


def in_processes(folder):
    """All cases, as processes take long to start."""
    register_all_modules()
    return {case: trained(folder, case) for case in CASES}


@pytest.fixture(scope='module')
def ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp('ranks')
    return gloo.run(in_processes, folder, folder)


@pytest.mark.parametrize('case', CASES, ids=str)
def test_networks_are_in_the_layout_of_their_kind(ranks, case):
    _, kind, precision = case
    for rank in ranks:
        assert rank[case].is_channels_last
        for name, found in rank[case].is_channels_last.items():
            plain = kind == 'plain' or name.startswith('discriminator')
            assert found == (plain or precision == 'bf16'), name


@pytest.mark.parametrize('case', CASES, ids=str)
def test_processes_start_and_stay_alike(ranks, case):
    first, second = (rank[case] for rank in ranks)
    for name, value in first.initialised.items():
        assert value.equal(second.initialised[name]), name
    for name, value in first.end.items():
        assert value.equal(second.end[name]), name


@pytest.mark.parametrize('case', CASES, ids=str)
def test_two_processes_move_as_one_with_both_images(ranks, case, tmp_path):
    one, two = trained(tmp_path, case), ranks[0][case]
    assert one.end.keys() == two.end.keys()
    # Gradients are rounded to 8 bits before they are averaged.
    close = 1e-4 if case[-1] == 'fp32' else 0.4
    for network in {name.partition('.')[0] for name in one.end}:
        expected, found = one.movement(network), two.movement(network)
        if network == 'imagenet':
            assert not expected.any()
            assert not found.any()
        else:
            error = (found - expected).norm()
            assert error <= close * expected.norm(), network
            assert expected.norm() > 0
