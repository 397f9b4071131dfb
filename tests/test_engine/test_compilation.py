"""Networks that torch.compile translates train as those that it does not."""

import sys
from functools import cache

import demo_data
import gloo
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.optim import build_optim_wrapper
from test_exact_resume import assert_equal
from tiny_models import batch, model_config, optim_config
from tools_in_process import load_tool

from mmuda.engine import UDARunner
from mmuda.models import UDADistributedDataParallel
from mmuda.registry import MODELS
from mmuda.utils.compat import load_checkpoint_file
from mmuda.utils.compilation import compile_network, compile_options
from mmuda.utils.config import load_config
from mmuda.utils.errors import ConfigError
from mmuda.utils.setup_env import register_all_modules

PLAYERS = ('segmentor', 'discriminator')
SLOW = pytest.mark.slow
# Dynamo alone, whose graphs run as they are: equal to the bit.
QUICK = dict(backend='eager')


def train(data, work_dir, resume_from=None, **changes):
    cfg = demo_data.config(data, work_dir, **changes)
    if resume_from is not None:
        cfg.resume, cfg.load_from = True, str(resume_from)
    torch._dynamo.reset()
    UDARunner.from_cfg(cfg).train()
    return load_checkpoint_file(str(work_dir / 'iter_4.pth'))


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Data, and runs that compile nothing or all."""
    register_all_modules()
    folder = tmp_path_factory.mktemp('compiled')
    demo_data.write(folder / 'data')
    for name, changes in (('eager', {}), ('compiled', dict(compile=QUICK))):
        train(folder / 'data', folder / name, **changes)
    return folder


def assert_same_weights(one, other):
    for part in ('state_dict', 'optimizer'):
        assert_equal(one[part], other[part], part)


def test_checkpoints_are_those_of_a_run_that_compiles_nothing(folder):
    one, other = (
        load_checkpoint_file(str(folder / name / 'iter_4.pth'))
        for name in ('eager', 'compiled')
    )
    assert_same_weights(one, other)


@pytest.mark.parametrize(
    ('first', 'options'),
    [
        ('compiled', None),
        pytest.param('eager', QUICK, marks=SLOW),
    ],
)
def test_either_run_continues_the_other(folder, tmp_path, first, options):
    whole = load_checkpoint_file(str(folder / first / 'iter_4.pth'))
    middle = folder / first / 'iter_2.pth'
    continued = train(folder / 'data', tmp_path, middle, compile=options)
    assert_same_weights(continued, whole)


@cache
def losses(backend, precision='fp32', wrap=None):
    """Losses of a tiny AdvEnt, and how many graphs were made."""
    torch.manual_seed(0)
    model = MODELS.build(ConfigDict(model_config()))
    model.init_weights()
    model.train()
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    if backend:
        for player in PLAYERS:
            compile_network(getattr(model, player), dict(backend=backend))
    model = wrap(model) if wrap else model
    config = optim_config()
    for player in PLAYERS if precision != 'fp32' else ():
        config[player] |= dict(
            type='MixedPrecisionOptimWrapper', precision=precision
        )
    wrapper = build_optim_wrapper(model, ConfigDict(config))
    logs = [model.train_step(batch(), wrapper) for _ in range(2)]
    graphs = torch._dynamo.utils.counters['stats'].get('unique_graphs', 0)
    breaks = len(torch._dynamo.utils.counters['graph_break'])
    return [{k: v.item() for k, v in log.items()} for log in logs], (
        graphs,
        breaks,
    )


def test_a_network_is_one_graph_for_each_domain():
    """And a discriminator one that is trained, one that is frozen."""
    assert losses('aot_eager', 'fp32')[1] == (4, 0)


@pytest.mark.parametrize(
    ('backend', 'precision', 'tolerance'),
    [
        ('aot_eager', 'fp32', 1e-5),
        pytest.param('aot_eager', 'bf16', 1e-2, marks=SLOW),
        pytest.param('inductor', 'fp32', 1e-4, marks=SLOW),
        pytest.param('inductor', 'bf16', 3e-2, marks=SLOW),
    ],
)
def test_losses_are_those_of_eager_networks(backend, precision, tolerance):
    for own, expected in zip(
        losses(backend, precision)[0],
        losses(None, precision)[0],
        strict=True,
    ):
        for name in filter(lambda name: 'loss' in name, expected):
            value = pytest.approx(expected[name], rel=tolerance)
            assert own[name] == value, name


def losses_of_rank():
    register_all_modules()
    return [
        losses(backend, wrap=UDADistributedDataParallel)[0]
        for backend in ('eager', None)
    ]


@pytest.mark.slow
def test_networks_in_distributed_wrappers_compile(tmp_path):
    for compiled, eager in gloo.run(losses_of_rank, tmp_path):
        assert compiled == eager


@pytest.mark.parametrize(
    ('given', 'expected'),
    [(None, None), (False, None), (True, {}), (QUICK, QUICK)],
)
def test_the_key_means_what_it_means_to_mmengine(given, expected):
    assert compile_options(given) == expected


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        ('yes', "compile: must be True, False or a dict, not 'yes'"),
        (dict(backend='inductr'), "compile.backend: unknown 'inductr'"),
    ],
)
def test_wrong_values_are_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        compile_options(given)


@pytest.mark.parametrize(
    'options',
    [
        dict(mod='default'),
        dict(mode='fastest'),
        dict(mode='default', options={'max_autotune': True}),
    ],
)
def test_options_that_torch_does_not_take_are_refused(options):
    with pytest.raises(ConfigError, match='^compile='):
        compile_network(torch.nn.Linear(1, 1), options)


def test_a_cpu_without_a_compiler_is_told(monkeypatch):
    monkeypatch.setenv('CXX', 'no-such-compiler')
    with pytest.raises(ConfigError, match="'no-such-compiler' is not found"):
        compile_options(True)


@pytest.mark.parametrize('words', [[], ['--compile']])
def test_the_tool_has_the_option(words, monkeypatch):
    tool = load_tool('train.py')
    monkeypatch.setattr(sys, 'argv', ['tool', 'config.py', *words])
    assert tool['parse_args']().compile is bool(words)


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        ('compile=fast', 'compile'),
        ('compile.mode=fastest', 'compile.mode'),
    ],
)
def test_wrong_values_in_a_config_are_told_before(option, message):
    key, _, value = option.partition('=')
    path = str(demo_data.ROOT / 'configs' / 'demo' / 'demo_advent_gta2cs.py')
    with pytest.raises(ConfigError, match=message):
        load_config(path, {key: value})
