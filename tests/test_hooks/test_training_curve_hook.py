import gc
import weakref

import numpy as np
import pytest
from mmengine.logging import MessageHub
from PIL import Image
from tiny_runs import runner

from mmuda.hooks.training_curve_hook import (
    TrainingCurveHook,
    draw_curves,
    loss_curves,
    miou_curves,
    share_curves,
)

HOOKS = [dict(type='TrainingCurveHook', interval=2)]


@pytest.fixture
def hub(request):
    return MessageHub.get_instance(request.node.name)


def test_loss_of_each_iteration(hub):
    for value in (3, 2, 4):
        hub.update_scalar('train/loss.segmentor', value)
    iterations, values = loss_curves(hub)['loss.segmentor']
    assert iterations.tolist() == [1, 2, 3]
    assert values.tolist() == [3, 2, 4]


def test_loss_that_starts_after_the_warm_up(hub):
    for value in (3, 2, 4):
        hub.update_scalar('train/loss.segmentor', value)
    hub.update_scalar('train/loss.discriminator', 1)
    iterations, _ = loss_curves(hub)['loss.discriminator']
    assert iterations.tolist() == [3]


def test_long_curves_are_averaged_over_stretches(hub):
    for value in range(1000):
        hub.update_scalar('train/loss', value)
    iterations, values = loss_curves(hub)['loss']
    assert iterations[:3].tolist() == [2, 4, 6]
    assert values[:3].tolist() == [0.5, 2.5, 4.5]


def test_other_values_are_not_drawn(hub):
    hub.update_scalar('train/lr', 1)
    hub.update_scalar('val/aAcc', 1)
    assert loss_curves(hub) == {}
    assert miou_curves(hub) == {}


def test_shares_are_drawn_in_percent_once_they_are_there(hub):
    for _ in range(3):
        hub.update_scalar('train/loss.segmentor', 1)
        hub.update_scalar('train/target.decode.acc_seg', 1)
    for share in (0.25, 0.5):
        hub.update_scalar('train/rome.pseudo_label_weight', share)
        hub.update_scalar('train/rome.mixed_share', 0.5)
    curves = share_curves(hub)
    assert sorted(curves) == ['rome.mixed_share', 'rome.pseudo_label_weight']
    iterations, values = curves['rome.pseudo_label_weight']
    assert iterations.tolist() == [2, 3]
    assert values.tolist() == [25, 50]
    assert list(loss_curves(hub)) == ['loss.segmentor']


def test_miou_of_a_run_that_began_without_the_hook(hub):
    for value in (10, 20, 30):
        hub.update_scalar('val/mIoU', value)
    hub.update_info('val_iterations', [200, 300])
    iterations, values = miou_curves(hub)['mIoU']
    assert iterations.tolist() == [200, 300]
    assert values.tolist() == [20, 30]


def test_figure_has_losses_above_miou():
    curve = (np.array([1, 2]), np.array([5.0, 6.0]))
    upper, lower = draw_curves({'loss': curve}, {'mIoU': curve}).axes
    assert upper.lines[0].get_label() == 'loss'
    assert lower.lines[0].get_xydata().tolist() == [[1, 5], [2, 6]]
    assert lower.get_ylabel() == 'mIoU [%]'


def test_shares_are_below_the_losses():
    curve = (np.array([1, 2]), np.array([5.0, 6.0]))
    upper, lower = draw_curves({'loss': curve}, {}, {'q': curve}).axes
    assert [line.get_label() for line in lower.lines] == ['q']
    assert lower.get_ylabel() == 'mIoU, shares [%]'


def test_picture_is_written(tmp_path):
    runner(tmp_path, 2, HOOKS).train()
    assert Image.open(tmp_path / 'curves.png').size == (1000, 800)


def test_iterations_of_validations_survive_a_resume(tmp_path):
    options = dict(hooks=HOOKS, val_interval=2, checkpoint=dict(interval=1))
    runner(tmp_path, 3, **options).train()
    second = runner(tmp_path, 6, resume=True, **options)
    second.train()
    iterations, values = miou_curves(second.message_hub)['mIoU']
    assert iterations.tolist() == [2, 4, 6]
    assert len(values) == 3


class Batch:
    """What the training holds while it draws."""


def drawn_with_a_batch(hook, run):
    batch = Batch()
    hook.after_train(run)
    return weakref.ref(batch)


def test_drawing_keeps_nothing_of_the_training(tmp_path):
    """Even until the next garbage collection, which may be far away."""
    run = runner(tmp_path, 2, HOOKS)
    # Curves over several decades have labels that Matplotlib parses.
    for value in (1e-6, 1e-3, 10.0, 1e4):
        run.message_hub.update_scalar('train/loss', value)
    (hook,) = [h for h in run.hooks if isinstance(h, TrainingCurveHook)]
    gc.collect()
    gc.disable()
    try:
        assert drawn_with_a_batch(hook, run)() is None
    finally:
        gc.enable()
