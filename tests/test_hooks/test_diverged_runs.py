"""Trainings that come to NaN: when they stop, and what stays on the disk."""

import math

import gloo
import pytest
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.optim import AmpOptimWrapper, OptimWrapper, build_optim_wrapper
from tiny_models import batch, model_config, optim_config
from tiny_runs import runner

from mmuda.engine.divergence import DivergenceWatch, diverged_losses
from mmuda.models import UDADistributedDataParallel, unwrap
from mmuda.registry import HOOKS, MODELS, OPTIM_WRAPPERS
from mmuda.utils.compat import load_checkpoint_file
from mmuda.utils.errors import CheckpointError, ConfigError, DivergedError
from mmuda.utils.setup_env import register_all_modules
from mmuda.utils.weights import not_finite

NAN, INF = math.nan, math.inf


@HOOKS.register_module()
class PoisonHook(Hook):
    """Gives one value of the run a bad value after given iterations.

    ``part`` is ``weight``, ``statistic`` or ``momentum``; a weight gets its
    old value back one iteration later if ``heals`` is set.
    """

    # Before the checkpoint.
    priority = 'ABOVE_NORMAL'

    def __init__(self, after, value=NAN, part='weight', heals=False):
        self.after, self.value, self.part = after, value, part
        self.heals, self.kept = heals, None

    def after_train_iter(
        self, runner, batch_idx, data_batch=None, outputs=None
    ):
        model = unwrap(runner.model)
        if self.kept is not None and self.heals:
            model.load_state_dict(self.kept)
            runner.optim_wrapper['segmentor'].optimizer.state.clear()
            self.kept = None
        if batch_idx + 1 not in self.after:
            return
        state = model.state_dict()
        self.kept = {name: value.clone() for name, value in state.items()}
        tensors = dict(
            weight=state['segmentor.decode_head.conv_seg.bias'],
            statistic=state['segmentor.backbone.bn1.running_var'],
        )
        if self.part == 'momentum':
            optimizer = runner.optim_wrapper['segmentor'].optimizer
            (values,) = next(iter(optimizer.state.values())).values()
            tensors['momentum'] = values
        tensors[self.part].view(-1)[0] = self.value


@OPTIM_WRAPPERS.register_module()
class OverflowingOptimWrapper(AmpOptimWrapper):
    """Scales losses by so much that the first gradients are infinite."""

    def __init__(self, **kwargs):
        OptimWrapper.__init__(self, **kwargs)
        self._scale_update_param = None
        self.loss_scaler = torch.amp.GradScaler('cpu', init_scale=2.0**127)
        self.skipped = 0

    def optim_context(self, model):
        return OptimWrapper.optim_context(self, model)

    def step(self, **kwargs):
        before = self.loss_scaler.get_scale()
        super().step(**kwargs)
        self.skipped += self.loss_scaler.get_scale() < before


def poisoned(work_dir, *after, iterations=12, patience=3, **options):
    checkpoint = dict(max_keep_ckpts=1)
    for name in ('interval', 'save_best'):
        if name in options:
            checkpoint[name] = options.pop(name)
    validation = options.pop('val_interval', None)
    poison = dict(type='PoisonHook', after=after, **options)
    run = runner(
        work_dir,
        iterations,
        hooks=[poison],
        checkpoint=checkpoint,
        val_interval=validation,
    )
    run._train_loop['nonfinite_patience'] = patience
    return run


def message(run):
    with pytest.raises(DivergedError) as error:
        run.train()
    return str(error.value)


def files(folder):
    return sorted(path.name for path in folder.glob('*.pth'))


def is_sound(path):
    checkpoint = load_checkpoint_file(path)
    return not not_finite(checkpoint['state_dict'])


@pytest.mark.parametrize(('patience', 'last'), [(1, 3), (3, 5), (5, 7)])
def test_training_stops_after_iterations_without_a_number(
    tmp_path, patience, last
):
    text = message(poisoned(tmp_path, 2, patience=patience))
    assert f'stopped after iteration {last}: source.decode.loss_ce' in text
    assert 'is nan' in text
    assert 'no checkpoint was saved' in text
    assert files(tmp_path) == []
    if patience > 1:
        assert f'for {patience} iterations in a row' in text


def test_losses_that_recover_do_not_stop_a_training(tmp_path):
    run = poisoned(tmp_path, 2, 4, 6, heals=True, patience=2)
    run.train()
    losses = run.message_hub.get_scalar('train/source.decode.loss_ce').data[0]
    assert [i + 1 for i, x in enumerate(losses) if math.isnan(x)] == [3, 5, 7]
    assert is_sound(tmp_path / 'iter_12.pth')


@pytest.mark.parametrize('value', [NAN, INF, -INF])
@pytest.mark.parametrize('part', ['weight', 'statistic', 'momentum'])
def test_the_last_sound_checkpoint_stays(tmp_path, part, value):
    run = poisoned(tmp_path, 3, part=part, value=value, interval=1)
    text = message(run)
    assert 'after iteration 3 model and optimizers hold' in text
    assert 'in 1 of their tensors' in text
    assert files(tmp_path) == ['iter_2.pth']
    assert is_sound(tmp_path / 'iter_2.pth')
    assert f'from before, is {tmp_path / "iter_2.pth"}' in text
    named = (tmp_path / 'last_checkpoint').read_text()
    assert named == str(tmp_path / 'iter_2.pth')


def test_the_last_iteration_saves_nothing_unsound(tmp_path):
    text = message(poisoned(tmp_path, 4, iterations=4, interval=3))
    assert 'after iteration 4 model and optimizers hold' in text
    assert 'segmentor.decode_head.conv_seg.bias' in text
    assert files(tmp_path) == ['iter_3.pth']


def test_the_best_checkpoint_is_not_replaced(tmp_path):
    options = dict(val_interval=2, save_best='mIoU', part='statistic')
    text = message(poisoned(tmp_path, 3, **options))
    assert 'after iteration 4 model and optimizers hold' in text
    assert 'segmentor.backbone.bn1.running_var' in text
    assert files(tmp_path) == ['best_mIoU_iter_2.pth']
    assert is_sound(tmp_path / 'best_mIoU_iter_2.pth')


def test_patience_without_end_saves_nothing_unsound_either(tmp_path):
    text = message(poisoned(tmp_path, 2, iterations=7, patience=None))
    assert 'after iteration 7' in text
    assert files(tmp_path) == []


def test_a_skipped_step_of_mixed_precision_is_no_divergence(tmp_path):
    run = runner(
        tmp_path, 8, model=dict(entropy_weights=dict(decode=30.0)), hooks=[]
    )
    run.optim_wrapper['segmentor']['type'] = 'OverflowingOptimWrapper'
    run._train_loop['nonfinite_patience'] = 1
    run.train()
    assert run.optim_wrapper['segmentor'].skipped >= 4
    assert is_sound(tmp_path / 'iter_8.pth')


@pytest.mark.parametrize('patience', [0, -1, 1.5, True, 'x'])
def test_impossible_patience(tmp_path, patience):
    run = poisoned(tmp_path, patience=patience)
    with pytest.raises(ConfigError, match=r'train_cfg\.nonfinite_patience'):
        run.train()


def damaged(tmp_path, change):
    """A checkpoint after iteration 2 with one bad value."""
    runner(tmp_path, 2, checkpoint=dict(interval=2)).train()
    path = tmp_path / 'iter_2.pth'
    content = load_checkpoint_file(path)
    change(content)
    torch.save(content, path)
    return path


def spoil_weight(content):
    content['state_dict']['segmentor.backbone.conv1.weight'][0, 0, 0] = NAN


def spoil_momentum(content):
    states = content['optimizer']['segmentor']['state']
    states[0]['momentum_buffer'].view(-1)[3] = INF


@pytest.mark.parametrize(
    ('change', 'name'),
    [
        (spoil_weight, 'segmentor.backbone.conv1.weight'),
        (spoil_momentum, 'optimizer.segmentor.state.0.momentum_buffer'),
    ],
)
def test_a_run_does_not_continue_from_what_is_no_number(
    tmp_path, change, name
):
    path = damaged(tmp_path, change)
    run = runner(tmp_path, 4, resume=True, load_from=str(path))
    with pytest.raises(CheckpointError, match='1 tensors hold NaN') as error:
        run.train()
    assert f'{path}: ' in str(error.value)
    assert name in str(error.value)


def test_accuracies_may_be_no_numbers():
    watch = DivergenceWatch(1)
    watch.look({'source.decode.acc_seg': NAN, 'loss.segmentor': 1.0}, 1)
    assert watch.count == 0


@pytest.mark.parametrize('value', [NAN, INF, -INF, torch.tensor(NAN)])
def test_sums_are_named_if_there_is_nothing_else(value):
    both = {'loss.segmentor': value, 'source.loss_ce': value}
    assert diverged_losses(both) == [f'source.loss_ce is {float(value)}']
    assert diverged_losses({'loss': value}) == [f'loss is {float(value)}']


def test_extra_states_of_unknown_styles_are_no_fault():
    state = {'style._extra_state': torch.full((2,), NAN)}
    assert not_finite(state) == []


@pytest.mark.parametrize('dtype', [torch.float16, torch.complex64])
def test_tensors_of_any_precision_are_looked_at(dtype):
    good = torch.ones(3, dtype=dtype)
    bad = good.clone()
    bad[1] = INF
    state = dict(a=good, b=bad, c=torch.tensor([1]), d='text', e=good[:0])
    assert not_finite(state) == ['b']


def watched_rank():
    """Iterations until this process stops, if the second has a NaN."""
    register_all_modules()
    torch.manual_seed(0)
    model = MODELS.build(model_config('AdvEnt')).train()
    model = UDADistributedDataParallel(model)
    wrappers = build_optim_wrapper(model, optim_config('AdvEnt'))
    watch = DivergenceWatch(2)
    for iteration in range(1, 6):
        data = batch(seed=get_rank())
        if iteration == 2 and get_rank() == 1:
            bias = model.module.segmentor.module.decode_head.conv_seg.bias
            bias.data[0] = NAN
        try:
            watch.look(model.train_step(data, wrappers), iteration)
        except DivergedError as error:
            return str(error)
    return 'never stopped'


def test_all_processes_stop_after_the_same_iteration(tmp_path):
    first, second = gloo.run(watched_rank, tmp_path)
    assert first == second
    assert 'stopped after iteration 3: source.decode.loss_ce is nan' in first
