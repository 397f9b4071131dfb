# Copyright (c) mmuda authors.
"""The schedule of methods whose heads teach each other."""

from dataclasses import asdict

from mmengine.dist import all_reduce, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.models.segmentors.base import BaseSegmentor

from mmuda.engine.loops import trains
from mmuda.models.players import unwrap
from mmuda.models.uda.collaborative_self_training import (
    Phase,
    describe_agreement,
)
from mmuda.registry import HOOKS
from mmuda.utils.checks import COUNT, WHOLE, optional
from mmuda.utils.config_keys import did_you_mean, init_parameters
from mmuda.utils.errors import ConfigError
from mmuda.utils.names import head_name

from .pseudo_label_refresh_hook import PseudoLabelRefreshHook

_MEANING = dict(
    distils='distillation',
    rectifies='rectification of pseudo-labels',
    transfers_style='transfer of styles',
)


@HOOKS.register_module()
class CollaborativeConsistencyHook(Hook):
    """Drive MTKT, CCL, CoaST and MLCL over training.

    It says in which iterations heads (or networks) teach each other,
    pseudo-labels are rectified and styles transferred, labels the images of
    each target anew with the target's own head, and logs how far heads agree
    with a target's own, in all and by class. All follows from the iteration,
    so a resumed run goes on as an uninterrupted one; only its first line on
    agreement is of the iterations since.

    Args:
        distillation_begin: First iteration with distillation.
        rectification_begin: First iteration in which pseudo-labels weigh less
            where heads disagree; None for never.
        style_begin: First iteration in which images are shown in the style of
            other targets; None for never.
        refresh: ``begin``, ``interval`` and ``end`` of a
            ``PseudoLabelRefreshHook`` for each target; None for methods
            without pseudo-labels.
        agreement_interval: Iterations between two lines in the log.

    Raises:
        ConfigError: A number is out of its range, an option of ``refresh`` is
            unknown, the model does not need the hook or knows no such phase,
            or distillation would begin after the end.
    """

    # after the teacher's update, before checkpoints
    priority = 'LOW'

    def __init__(
        self,
        distillation_begin: int = 0,
        rectification_begin: int | None = 0,
        style_begin: int | None = 0,
        refresh: dict | None = None,
        agreement_interval: int = 500,
    ) -> None:
        begins = dict(
            distillation_begin=distillation_begin,
            rectification_begin=rectification_begin,
            style_begin=style_begin,
        )
        for name, value in begins.items():
            check = WHOLE if name == 'distillation_begin' else optional(WHOLE)
            check.require(value, f'CollaborativeConsistencyHook.{name}')
        COUNT.require(
            agreement_interval,
            'CollaborativeConsistencyHook.agreement_interval',
        )
        if refresh is not None:
            _check_refresh(refresh)
        self.begins = dict(zip(_MEANING, begins.values(), strict=True))
        self.refresh = refresh
        self.agreement_interval = agreement_interval
        self.refreshers: list[PseudoLabelRefreshHook] = []

    def phase(self, iteration: int) -> Phase:
        """What takes part in an iteration, counted from 0."""
        return Phase(
            **{
                name: begin is not None and iteration >= begin
                for name, begin in self.begins.items()
            }
        )

    def before_run(self, runner: Runner) -> None:
        """Prepare labelling; the data set is not read yet."""
        if not trains(runner):
            return
        model = unwrap(runner.model)
        if not hasattr(model, 'phases'):
            raise ConfigError(
                f'CollaborativeConsistencyHook: {type(model).__name__} has no '
                'heads that teach each other; take the hook out'
            )
        self._check_schedule(model, runner)
        if self.refresh is None:
            return
        self.refreshers = [
            PseudoLabelRefreshHook(
                domain=target, predict_head=head_name(target), **self.refresh
            )
            for target in model.targets
        ]
        for refresher in self.refreshers:
            refresher.before_run(runner)

    def _check_schedule(self, model: BaseSegmentor, runner: Runner) -> None:
        """Refuse what would have no effect, or leave the predictor as new."""
        for name, begin in self.begins.items():
            if begin != 0 and name not in model.phases:
                raise ConfigError(
                    f'CollaborativeConsistencyHook: {type(model).__name__} '
                    f'knows no {_MEANING[name]}; leave its beginning out'
                )
        begin = self.begins['distils']
        assert begin is not None, 'the only one that is always a number'
        if not model.learns_by_distillation_only:
            return
        if begin >= runner.max_iters:
            raise ConfigError(
                f'CollaborativeConsistencyHook.distillation_begin={begin}, '
                f'but training ends at {runner.max_iters}: what predicts '
                'would never learn; begin earlier'
            )
        if runner.iter < begin:
            runner.logger.info(
                f'What predicts learns nothing before iteration {begin + 1}; '
                'validation before it says nothing'
            )

    def before_train(self, runner: Runner) -> None:
        """Find or make the labels that belong to this iteration."""
        for refresher in self.refreshers:
            refresher.before_train(runner)

    def after_run(self, runner: Runner) -> None:
        """Let other runs write the labels."""
        for refresher in self.refreshers:
            refresher.after_run(runner)

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None
    ) -> None:
        """Tell the model what takes part."""
        phase = self.phase(runner.iter)
        model = unwrap(runner.model)
        if phase != model.phase or runner.iter == 0:
            active = [
                _MEANING[name]
                for name, on in asdict(phase).items()
                if on and name in model.phases
            ]
            runner.logger.info(
                f'From iteration {runner.iter + 1}: '
                + (', '.join(active) or 'nothing is taught yet')
            )
        model.phase = phase

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Log how heads agree, and label anew when it is due."""
        if self.every_n_train_iters(runner, self.agreement_interval):
            self._report(runner)
        fresh = [hook.refresh_if_due(runner) for hook in self.refreshers]
        if any(fresh):
            runner.train_loop.reload_data()

    def _report(self, runner: Runner) -> None:
        classes = runner.train_loop.dataloader.dataset.metainfo['classes']
        scalars = {}
        for key, counts in unwrap(runner.model).agreement.pop().items():
            all_reduce(counts)
            name = '/'.join(key)
            scalars[f'agreement/{name}'], line = describe_agreement(
                counts, classes
            )
            runner.logger.info(f'agreement {name}: {line}')
        if scalars and is_main_process():
            step = runner.iter + 1
            runner.visualizer.add_scalars(scalars | {'step': step}, step=step)


def _check_refresh(refresh: dict) -> None:
    # Domain, head and folder follow from the target.
    own = {'self', 'domain', 'predict_head', 'pseudo_label_root'}
    known = init_parameters(PseudoLabelRefreshHook) - own
    for key in refresh:
        if key not in known:
            raise ConfigError(
                f"CollaborativeConsistencyHook.refresh: there is no '{key}'"
                f'{did_you_mean(key, known)}'
            )
    if 'begin' not in refresh:
        raise ConfigError(
            'CollaborativeConsistencyHook.refresh needs begin, the iteration '
            'before which targets are labelled first'
        )
