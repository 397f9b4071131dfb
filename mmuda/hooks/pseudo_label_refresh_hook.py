# Copyright (c) mmuda authors.
"""New pseudo-labels while training goes on."""

from contextlib import ExitStack
from pathlib import Path

from mmengine.dist import barrier, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.models.segmentors.base import BaseSegmentor

from mmuda.datasets.pseudo_labels.pseudo_label_store import (
    CURRENT,
    PseudoLabelManifest,
    publish_round,
)
from mmuda.engine.loops import UDATrainLoop, trains
from mmuda.engine.predicting_head import predicting_by
from mmuda.models.players import unwrap
from mmuda.pseudo_labels.labeler import weights_digest
from mmuda.pseudo_labels.labelling_jobs import LabellingJob
from mmuda.pseudo_labels.labelling_options import (
    PseudoLabelOptions,
    dataset_to_label,
)
from mmuda.pseudo_labels.labelling_report import ProgressLines
from mmuda.pseudo_labels.rounds import (
    describe_round,
    read_rounds,
    remove_old_rounds,
    round_name,
    usable_labels,
)
from mmuda.registry import HOOKS
from mmuda.utils.errors import ConfigError
from mmuda.utils.locks import only_writer
from mmuda.utils.names import MANIFEST
from mmuda.utils.resume import checkpoints_by_iteration

from .norm_statistics_hook import average_norm_buffers
from .target_statistics_hook import predicting_statistics


@HOOKS.register_module()
class PseudoLabelRefreshHook(Hook):
    """Label the target anew at certain iterations.

    All processes share the work. The labels of each round lie in a folder of
    their own, ``<root>/iter_<n>``, and a file names the current one, so a run
    that continues from any checkpoint finds the labels it had there. How
    labels are made is the config's ``pseudo_labels``; the network is
    the model's predictor (the teacher, with ``predict_on='teacher'``).

    Before the first round all pixels of a pseudo-label are ignored.

    Args:
        begin: Iteration before which the target is labelled first; 0 labels
            it with the network that training starts from.
        interval: Iterations between two rounds; -1 for one round only.
        end: No round after this iteration; None for no end.
        domain: Name of the target.
        pseudo_label_root: Folder of the rounds; by default ``pseudo_labels``
            and the domain's name in the work directory.
        predict_head: Head that labels, such as ``<target>.decode`` of a
            ``MultiHeadEncoderDecoder``; None for the one that validates.
        keep_rounds: How many of the newest rounds to keep, at least 1; -1
            keeps all. A round stays, too, while a checkpoint
            ``iter_<k>.pth`` in the work directory continues with it.

    Raises:
        ConfigError: A number is out of range, the target's pipeline loads no
            pseudo-labels, the training loop is not ``UDATrainLoop``, or
            ``pseudo_labels`` is wrong.
    """

    # after the teacher's update, before checkpoints
    priority = 'LOW'

    def __init__(
        self,
        begin: int,
        interval: int = -1,
        end: int | None = None,
        domain: str = 'target',
        pseudo_label_root: str | None = None,
        predict_head: str | None = None,
        keep_rounds: int = -1,
    ) -> None:
        if begin < 0 or interval == 0 or interval < -1:
            raise ConfigError(
                f'PseudoLabelRefreshHook: begin={begin} must be at least 0 '
                f'and interval={interval} positive, or -1 for one round'
            )
        if keep_rounds < 1 and keep_rounds != -1:
            raise ConfigError(
                f'PseudoLabelRefreshHook: keep_rounds={keep_rounds} must be '
                'at least 1, or -1 for all'
            )
        self.begin = begin
        self.interval = interval
        self.end = end
        self.domain = domain
        self.pseudo_label_root = pseudo_label_root
        self.predict_head = predict_head
        self.keep_rounds = keep_rounds
        self._lock = ExitStack()

    def course(self) -> dict[str, dict]:
        """What decides the labels, which a resumed run must share.

        Once :meth:`before_run` has read the options.
        """
        names = ('begin', 'interval', 'end', 'predict_head')
        return {
            'pseudo_labels': self.options.saved()
            | dict(rule=self.options.rule),
            f'PseudoLabelRefreshHook of {self.domain}': {
                name: getattr(self, name) for name in names
            },
        }

    def before_run(self, runner: Runner) -> None:
        """Tell the data set where labels will be, before it is read."""
        if not trains(runner):
            return
        self.options = PseudoLabelOptions.from_config(runner.cfg)
        self.root = Path(
            self.pseudo_label_root
            or Path(runner.work_dir, 'pseudo_labels', self.domain)
        )
        loop = runner.train_loop
        if not isinstance(loop, UDATrainLoop) or not hasattr(
            loop.dataloader.sampler, 'skip'
        ):
            raise ConfigError(
                "PseudoLabelRefreshHook needs train_cfg.type='UDATrainLoop' "
                "and train_dataloader.sampler.type='DomainInfiniteSampler': "
                'others would read all earlier samples again at each round'
            )
        dataset = loop.dataloader.dataset.domains.get(self.domain)
        read_rounds(dataset, self.domain, self.root)
        # What is wrong with the labelling is known now, not hours later.
        self._job(runner, self.begin)
        model = unwrap(runner.model)
        with predicting_by(model, self.predict_head):
            self.options.predictor(model)
        self._lock.enter_context(only_writer(pseudo_label_root=self.root))
        if not runner._resume:
            self._unpublish()

    def after_run(self, runner: Runner) -> None:
        """Let other runs write the rounds."""
        self._lock.close()

    def before_train(self, runner: Runner) -> None:
        """Find the labels that belong to this iteration, or make them."""
        point = self._last_point(runner.iter)
        if point is None:
            self._unpublish()
        else:
            self._refresh(runner, point, runner.iter)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict | None = None,
        outputs: dict | None = None,
    ) -> None:
        """Label when it is due."""
        if self.refresh_if_due(runner):
            runner.train_loop.reload_data()

    def refresh_if_due(self, runner: Runner) -> bool:
        """Label if it is due after this iteration.

        Returns:
            Whether there are new labels, and the data has to be read anew.
        """
        if runner.train_loop.stop_training:
            # The run that continues from here labels before it goes on.
            return False
        done = runner.iter + 1
        if done >= runner.max_iters or self._last_point(done) != done:
            return False
        self._refresh(runner, done, done)
        return True

    def _unpublish(self) -> None:
        if is_main_process():
            (self.root / CURRENT).unlink(missing_ok=True)
        barrier()

    def _last_point(self, iteration: int) -> int | None:
        """Last iteration up to this one at which labels are made."""
        if self.end is not None:
            iteration = min(iteration, self.end)
        if iteration < self.begin:
            return None
        if self.interval == -1:
            return self.begin
        return iteration - (iteration - self.begin) % self.interval

    def _job(self, runner: Runner, point: int) -> LabellingJob:
        """What to label in a round; its place and weights are its name."""
        model: BaseSegmentor = unwrap(runner.model)
        weights = weights_digest(model.predictor)
        return LabellingJob(
            self.options,
            dataset_to_label(runner.cfg, self.options.pipeline, self.domain),
            self.root / round_name(point),
            about=dict(
                config=Path(runner.cfg.filename or 'config').name,
                checkpoints=(
                    dict(file=round_name(point), sha256=weights, weight=1.0),
                ),
                domain=self.domain,
            ),
            report=ProgressLines(30.0, runner.logger.info),
        )

    def _refresh(self, runner: Runner, point: int, position: int) -> None:
        """Make the labels of a round, unless they are there, and use them.

        Args:
            runner: The runner.
            point: Iteration of the round.
            position: Iterations that the network has been trained; more than
                ``point`` if a run continues between two rounds.
        """
        average_norm_buffers(runner.model)
        with predicting_statistics(runner, position):
            job = self._job(runner, point)
            manifest = usable_labels(job, position > point)
            if manifest is None:
                # Never the name of a round that is being made again.
                self._unpublish()
                model = unwrap(runner.model)
                with predicting_by(model, self.predict_head):
                    manifest = job.run(model)
        if is_main_process():
            publish_round(self.root, job.root.name)
        barrier()
        self._report(runner, job, manifest, point)
        if self.keep_rounds != -1 and is_main_process():
            # Checkpoints continue with the round before them.
            checkpoints = checkpoints_by_iteration(runner.work_dir)
            needed = {self._last_point(iteration) for iteration in checkpoints}
            remove_old_rounds(self.root, point, self.keep_rounds, needed)

    def _report(
        self,
        runner: Runner,
        job: LabellingJob,
        manifest: PseudoLabelManifest,
        point: int,
    ) -> None:
        """Log what was kept, how right it is and what has changed."""
        previous = self.root / round_name(point - self.interval)
        follows = point != self.begin and (previous / MANIFEST).is_file()
        lines, scalars = describe_round(
            job, manifest, previous if follows else None
        )
        if not is_main_process():
            return
        runner.logger.info('\n'.join(lines))
        runner.visualizer.add_scalars(
            {f'pseudo_labels/{self.domain}/{k}': v for k, v in scalars.items()}
            | {'step': point},
            step=point,
        )
