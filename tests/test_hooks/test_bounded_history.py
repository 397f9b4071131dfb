"""Logged values of long ago are forgotten, and nobody misses them."""

import copy
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.runner import LogProcessor
from tiny_runs import runner

from mmuda.engine.history import all_values, bound_history, kept_for_log
from mmuda.hooks.training_curve_hook import loss_curves, miou_curves
from mmuda.registry import HOOKS

LENGTH = 256
NAMES = ['train/loss', 'train/lr', 'train/time', 'train/source.acc_seg']


@HOOKS.register_module()
class OldHistoryHook(Hook):
    """Puts 5,000 values of a loss into a run, as older checkpoints have."""

    def before_train(self, runner):
        fill(runner.message_hub, 5000, ['train/loss.segmentor'])


def losses(count):
    """Values that no mean of others equals by chance."""
    return np.sin(np.arange(count) ** 1.5) + np.arange(count) / 1000


@pytest.fixture
def hub(request):
    return MessageHub.get_instance(request.node.name)


def log(hub, values, names=NAMES, bounded=True):
    for value in values:
        if bounded:
            bound_history(hub, LENGTH)
        for name in names:
            hub.update_scalar(name, float(value))


def fill(hub, count, names=NAMES):
    """What an older run left: every value of every scalar."""
    for name in names:
        values = losses(count).tolist()
        hub.log_scalars[name] = HistoryBuffer(values, [1] * count)
        hub._set_resumed_keys(name, True)


def kept(hub, name='train/loss'):
    return len(hub.get_scalar(name).data[0])


def test_buffers_stay_short(hub):
    log(hub, losses(3000))
    for name in NAMES:
        assert LENGTH <= kept(hub, name) <= 2 * LENGTH
    last = hub.get_scalar('train/lr').data[0]
    assert last.tolist() == losses(3000)[-len(last) :].tolist()


def test_no_value_is_forgotten_before_twice_the_length(hub):
    log(hub, losses(2 * LENGTH))
    assert all_values(hub, 'train/loss').tolist() == losses(512).tolist()
    assert kept(hub) == 2 * LENGTH


@pytest.mark.parametrize('name', ['loss', 'target.pseudo_label_weight'])
@pytest.mark.parametrize('count', [513, 1500, 3000, 9001])
def test_curves_are_thinned_and_keep_their_mean(hub, count, name):
    name = f'train/{name}'
    log(hub, losses(count), [name])
    found = all_values(hub, name)
    assert len(found) == count
    assert found.mean() == pytest.approx(losses(count).mean(), abs=1e-9)
    thinned = hub.get_info('thinned_losses')[name]
    assert len(thinned['means']) <= 1024 + 256
    stride = thinned['stride']
    assert stride == max(1, 2 ** int(np.ceil(np.log2((count - 512) / 1024))))
    for k, mean in enumerate(thinned['means']):
        part = losses(count)[k * stride : (k + 1) * stride]
        assert mean == pytest.approx(part.mean(), abs=1e-9)


@pytest.mark.parametrize('count', [3000, 20000])
def test_curve_of_a_long_run_is_that_of_all_its_values(hub, count):
    values = np.sqrt(np.arange(count))
    log(hub, values, ['train/loss'])
    iterations, means = loss_curves(hub)['loss']
    hub.log_scalars['train/loss'] = HistoryBuffer(values, values)
    hub.update_info('thinned_losses', {})
    all_iterations, all_means = loss_curves(hub)['loss']
    assert iterations.tolist() == all_iterations.tolist()
    np.testing.assert_allclose(means, all_means, rtol=0.01, atol=1)


def test_a_loss_that_starts_late_keeps_its_place(hub):
    log(hub, losses(900))
    log(hub, losses(2000), [*NAMES, 'train/loss_late'])
    iterations, _ = loss_curves(hub)['loss_late']
    assert iterations[-1] == 2900
    assert 900 < iterations[0] <= 904


@pytest.mark.parametrize('stopped', [1, 511, 512, 513, 700, 1030, 4000])
def test_a_resumed_run_keeps_what_an_uninterrupted_one_does(hub, stopped):
    values = losses(4100)
    log(hub, values[:stopped])
    state = pickle.loads(pickle.dumps(hub.state_dict()))
    resumed = MessageHub.get_instance(f'{hub.instance_name} resumed')
    resumed.load_state_dict(state)
    log(hub, values[stopped:])
    log(resumed, values[stopped:])
    for name in NAMES:
        for own, other in zip(
            hub.get_scalar(name).data,
            resumed.get_scalar(name).data,
            strict=True,
        ):
            assert own.tolist() == other.tolist()
    thinned = 'thinned_losses'
    assert hub.get_info(thinned) == resumed.get_info(thinned)


def log_of(hub, processor, iteration):
    run = SimpleNamespace(message_hub=hub, iter=iteration)
    config = processor._parse_windows_size(run, iteration)
    return processor._collect_scalars(config, run, 'train')


WINDOWS = [
    dict(
        data_src='loss', log_name='long', method_name='mean', window_size=700
    ),
    dict(
        data_src='loss',
        log_name='whole',
        method_name='mean',
        window_size='global',
    ),
    dict(data_src='lr', log_name='top', method_name='max', window_size=600),
]


@pytest.mark.parametrize('windows', [None, WINDOWS[:1], WINDOWS])
def test_the_log_is_what_it_would_be_with_all_values(hub, windows):
    processor = LogProcessor(by_epoch=False, custom_cfg=windows)
    length, whole = kept_for_log(processor)
    everything = MessageHub.get_instance(f'{hub.instance_name} everything')
    for iteration, value in enumerate(losses(2500)):
        bound_history(hub, max(LENGTH, length), whole)
        for name in NAMES:
            hub.update_scalar(name, float(value))
            everything.update_scalar(name, float(value))
        if iteration % 50 == 49:
            assert log_of(hub, processor, iteration) == log_of(
                everything, processor, iteration
            )
    assert kept(hub, 'train/time') <= 2 * max(LENGTH, length)
    assert kept(everything) == 2500


@pytest.mark.parametrize('prefix', ['', 'train/'])
def test_means_of_the_whole_run_keep_all_values(prefix):
    window = dict(
        data_src=f'{prefix}loss', method_name='mean', window_size='global'
    )
    processor = LogProcessor(by_epoch=False, custom_cfg=[window])
    assert kept_for_log(processor) == (10, {'train/loss'})


def test_metrics_of_validations_are_kept(hub):
    iterations = list(range(1000, 601000, 1000))
    for value in range(600):
        bound_history(hub, LENGTH)
        hub.update_scalar('val/city/mIoU', value)
        for _ in range(3):
            hub.update_scalar('val/time', 0.1)
            hub.update_scalar('val/data_time', 0.1)
    hub.update_info('val_iterations', iterations)
    found, values = miou_curves(hub)['city/mIoU']
    assert found.tolist() == iterations
    assert values.tolist() == list(range(600))
    assert kept(hub, 'val/time') <= 2 * LENGTH
    assert kept(hub, 'val/data_time') <= 2 * LENGTH


def test_checkpoints_of_long_runs_are_small(hub):
    names = [f'train/loss_{k}' for k in range(30)]
    fill(hub, 250_000, names)
    before = len(pickle.dumps(hub.state_dict()))
    bound_history(hub, LENGTH)
    after = len(pickle.dumps(hub.state_dict()))
    assert before > 100 * 2**20
    assert after < 2**19


def test_a_run_trims_what_an_older_checkpoint_brings(tmp_path):
    runner(tmp_path, 2, checkpoint=dict(interval=2)).train()
    run = runner(tmp_path, 3, resume=True, hooks=[dict(type='OldHistoryHook')])
    run.train()
    hub = run.message_hub
    assert kept(hub, 'train/loss.segmentor') == LENGTH + 1
    found = all_values(hub, 'train/loss.segmentor')
    assert len(found) == 5001
    assert found[: 5000 - LENGTH].mean() == pytest.approx(
        losses(5000)[: 5000 - LENGTH].mean(), abs=1e-6
    )


def test_states_that_are_bounded_stay_apart_from_copies(hub):
    log(hub, losses(600))
    state = copy.deepcopy(hub.get_info('thinned_losses'))
    saved = hub.state_dict()
    log(hub, losses(600))
    assert saved['runtime_info']['thinned_losses'] == state
