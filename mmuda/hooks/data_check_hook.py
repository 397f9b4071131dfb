# Copyright (c) mmuda authors.
"""Finding faults of the data before training starts."""

import copy
from collections.abc import Iterator, Mapping
from functools import partial

from mmengine.hooks import Hook
from mmengine.model import BaseTTAModel
from mmengine.runner import BaseLoop, Runner, TestLoop, ValLoop
from mmseg.models.segmentors.base import BaseSegmentor

from mmuda.datasets.class_gaps import (
    class_gap_notes,
    class_gap_warnings,
    left_out_of_means,
    renamed,
)
from mmuda.datasets.data_checks import (
    AnyDataset,
    examine_dataset,
    iter_domains,
    require_sound,
)
from mmuda.datasets.domain_dataset import build_domain
from mmuda.datasets.learned_images import (
    has_labelled_target,
    learned_and_evaluated,
)
from mmuda.datasets.segmentation_dataset import (
    SegmentationDataset,
    require_same_label_set,
)
from mmuda.evaluation.image_groups import examine_groups
from mmuda.evaluation.subset_iou_metric import DomainIoUMetric
from mmuda.hooks.channel_checks import (
    check_colour_changes,
    check_image_channels,
)
from mmuda.hooks.collaborative_consistency_hook import (
    CollaborativeConsistencyHook,
)
from mmuda.models.labelled_target import weight_without_images
from mmuda.models.method_checks import require_learner
from mmuda.models.players import unwrap
from mmuda.registry import HOOKS
from mmuda.utils.class_names import require_trained_classes
from mmuda.utils.config_data import evaluation_data
from mmuda.utils.distributed import of_main_process
from mmuda.utils.errors import ConfigError, MMUDAError
from mmuda.utils.names import LABELLED_TARGET


@HOOKS.register_module()
class DataCheckHook(Hook):
    """Describe the data in the log, and stop if it does not fit the model.

    Before training, some samples of each domain and of the validation set
    are read by one process; a fault stops all of them.

    Args:
        strict: Stop also if the labels that were read hold together what
            makes training worthless: ids of another numbering, no pixel of a
            class, edges as after JPEG. Otherwise it is a warning.

    Raises:
        CheckpointError: The networks of an ensemble were trained for other
            classes.
        ConfigError: Training, validation or test set and model differ in the
            number of classes, in the channels of images, or in their label
            sets, colours would change of images that have none, the best
            checkpoint is to be chosen by a target that is not evaluated, or
            the method does not learn labels of a target, and there are some.
        DataError: A sample cannot be read, labels can't be meant so, or
            ``group_by`` of a metric says nothing of an image.
    """

    priority = 'VERY_HIGH'

    def __init__(self, strict: bool = True) -> None:
        self.strict = strict

    def before_train(self, runner: Runner) -> None:
        """Check and describe all data sets."""
        datasets = {'training': runner.train_dataloader.dataset}
        datasets |= evaluated_datasets('validation', runner.val_loop)
        check_class_counts(_num_classes(model_of(runner)), datasets)
        require_same_label_set(datasets)
        _check_save_best(runner)
        _check_labelled_target(runner)
        reports = {}
        for name, dataset in datasets.items():
            report = of_main_process(partial(examine_dataset, dataset))
            reports[name] = report
            if not self.strict:
                report.warnings.extend(report.doubts)
                report.doubts.clear()
            report.doubts[:1] = [
                f'{doubt}. If they are meant so, set strict=False of '
                'DataCheckHook in custom_hooks'
                for doubt in report.doubts[:1]
            ]
            require_sound(report)
            for line in report.lines:
                runner.logger.info(f'{name} data, {line}')
            for line in report.incomplete + report.warnings:
                runner.logger.warning(f'{name} data, {line}')
        _check_channels(runner, datasets)
        for line in _check_groups(runner.val_loop):
            runner.logger.warning(line)
        learned = reports.pop('training').seen
        evaluated = renamed({f'{k} data': r.seen for k, r in reports.items()})
        for line in (
            *class_gap_warnings(learned),
            *_left_out('validation', runner.val_loop),
            *_overlaps(runner, datasets.pop('training'), datasets),
        ):
            runner.logger.warning(line)
        for line in class_gap_notes(learned, evaluated):
            runner.logger.info(line)

    def before_test(self, runner: Runner) -> None:
        """Check the classes; testing reads all samples at once anyway."""
        datasets = evaluated_datasets('test', runner.test_loop)
        check_class_counts(_num_classes(model_of(runner)), datasets)
        require_same_label_set(datasets)
        check_image_channels(model_of(runner), datasets)
        for line in _check_groups(runner.test_loop):
            runner.logger.warning(line)
        # That of a single checkpoint is compared when it is loaded.
        trained = getattr(model_of(runner), 'trained_classes', None)
        for name, dataset in datasets.items():
            classes = dataset.metainfo['classes']
            file = 'the ensemble'
            require_trained_classes(trained, classes, file, f'{name} data')
        for line in _left_out('test', runner.test_loop):
            runner.logger.warning(line)


def check_class_counts(
    num_classes: int, datasets: Mapping[str, SegmentationDataset]
) -> None:
    """Compare the classes of the data with those of the model.

    Args:
        num_classes: Classes that the model predicts.
        datasets: Data sets by the name that the message calls them.

    Raises:
        ConfigError: The numbers differ.
    """
    for name, dataset in datasets.items():
        classes = dataset.metainfo['classes']
        if len(classes) != num_classes:
            raise ConfigError(
                f'the model has {num_classes} classes, but the {name} data '
                f'has {len(classes)} ({", ".join(classes)}); make num_classes '
                'of the heads and label_set of the data sets agree'
            )


def evaluated_datasets(
    name: str, loop: BaseLoop | None
) -> dict[str, SegmentationDataset]:
    """Data sets of a loop, and of which target, by a name for messages.

    Args:
        name: Of the event, such as ``test``.
        loop: Of validation or test; None has none.
    """
    return {key: part.dataloader.dataset for key, part in _parts(name, loop)}


def _parts(
    name: str, loop: BaseLoop | None
) -> Iterator[tuple[str, ValLoop | TestLoop]]:
    """Yield the loop of each target, by a name for messages."""
    if loop is not None:
        for target, part in getattr(loop, 'loops', {'': loop}).items():
            yield f'{name} {target}'.strip(), part


def _left_out(name: str, loop: BaseLoop | None) -> Iterator[str]:
    """Tell what becomes of classes that evaluated labels can't be."""
    for key, part in _parts(name, loop):
        metrics = part.evaluator.metrics
        known = any(isinstance(m, DomainIoUMetric) for m in metrics)
        meta = part.dataloader.dataset.metainfo
        yield from left_out_of_means(f'{key} data', meta, known)


def _overlaps(
    runner: Runner,
    training: AnyDataset,
    validation: Mapping[str, SegmentationDataset],
) -> Iterator[str]:
    """Tell which labels of images that are evaluated are learned."""
    if not has_labelled_target(training):
        return
    evaluated = dict(validation)
    known = evaluation_data(runner.cfg, 'val').values()
    for key, config in evaluation_data(runner.cfg, 'test').items():
        if config is None or config in known:
            continue
        try:
            evaluated[key] = build_domain(None, copy.deepcopy(config))
        except MMUDAError as error:
            # It may come after the training; the test itself will tell.
            runner.logger.info(
                f'{key} data is not compared with {LABELLED_TARGET!r}: {error}'
            )
    yield from learned_and_evaluated(training, evaluated)


def _check_channels(
    runner: Runner, datasets: Mapping[str, AnyDataset]
) -> None:
    """Of images that can be read."""
    model, evaluated = model_of(runner), dict(datasets)
    training = dict(training=evaluated.pop('training'))
    begins = [
        hook.begins['transfers_style']
        for hook in runner.hooks
        if isinstance(hook, CollaborativeConsistencyHook)
    ]
    seen = check_image_channels(model, training)
    check_colour_changes(model, seen, begins != [None])
    check_image_channels(model, evaluated)


def _check_groups(loop: BaseLoop | None) -> list[str]:
    """Refuse images without a group; warn of what no image is of."""
    lines = []
    for part in getattr(loop, 'loops', {'': loop}).values():
        metrics = getattr(getattr(part, 'evaluator', None), 'metrics', ())
        for metric in metrics:
            groups = getattr(metric, 'group_by', None)
            if groups is not None:
                lines += examine_groups(groups, part.dataloader.dataset)
    return lines


def _check_save_best(runner: Runner) -> None:
    """Refuse a metric of a target that has no labels."""
    unlabelled = getattr(runner.val_loop, 'unlabelled', {})
    for hook in runner.hooks:
        names = getattr(hook, 'key_indicators', None) or []
        for name in names:
            target = name.partition('/')[0]
            if runner.val_loop is None:
                raise ConfigError(
                    f"default_hooks.checkpoint.save_best='{name}' needs a "
                    'validation, but there is no val_dataloader; remove '
                    'save_best'
                )
            if target in unlabelled:
                raise ConfigError(
                    f"default_hooks.checkpoint.save_best='{name}': there are "
                    f"no labels of '{target}' to choose it by "
                    f"({unlabelled[target]}); use 'mean/mIoU'"
                )


def _check_labelled_target(runner: Runner) -> None:
    """Refuse labels of a target that nothing learns, or tell what lacks."""
    domains = dict(iter_domains(runner.train_dataloader.dataset))
    if LABELLED_TARGET in domains:
        require_learner(type(model_of(runner)))
        return
    words = weight_without_images(runner.cfg.get('model'))
    if words is not None:
        runner.logger.warning(words)


def model_of(runner: Runner) -> BaseSegmentor:
    """The model of a runner, without wrappers.

    Args:
        runner: A runner whose model is built.
    """
    model = unwrap(runner.model)
    return unwrap(model.module) if isinstance(model, BaseTTAModel) else model


def _num_classes(model: BaseSegmentor) -> int:
    # An ensemble has the output channels only.
    return getattr(model, 'num_classes', model.out_channels)
