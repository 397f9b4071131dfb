# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""How long the procedure will take, and how much disk space."""

from collections.abc import Sequence

from mmengine.config import Config
from rich.table import Table

from .costs import Costs, batch_images, measure_costs
from .plan import Procedure
from .stages import Stage, Step
from .state import ProcedureState
from .status import duration

# An 8-bit PNG of labels takes about a fiftieth of a byte for each pixel.
_LABEL_BYTES = 0.02
# A 16-bit TIFF of the confidences of kept pixels.
_SCORE_BYTES = 0.75


def plan_table(
    procedure: Procedure, steps: Sequence[Step], state: ProcedureState
) -> Table:
    """The stages with their work, time and disk space.

    Args:
        procedure: Whose stages they are.
        steps: That would run.
        state: Times of finished stages.
    """
    costs = measure_costs(procedure)
    table = Table(title=f'Plan of {procedure.work_dir}')
    for column in ('stage', 'status', 'work', 'time', 'disk'):
        table.add_column(column, no_wrap=True, overflow='fold')
    total_seconds, total_bytes = 0.0, 0
    for stage in (stage for step in steps for stage in step):
        work, seconds, size = estimate(stage, procedure, costs)
        if stage.is_done:
            seconds = state.seconds(stage) or seconds
        else:
            total_seconds, total_bytes = (
                total_seconds + seconds,
                total_bytes + size,
            )
        table.add_row(
            stage.name,
            state.status(stage),
            work,
            duration(seconds),
            shown_size(size),
        )
    table.add_section()
    table.add_row(
        'left', '', '', duration(total_seconds), shown_size(total_bytes)
    )
    table.caption = (
        'Times: one training and one labelling step measured here (the '
        'latter for validation, too), one process, data from the cache; '
        'seconds of finished stages as they were.'
    )
    return table


def estimate(
    stage: Stage, procedure: Procedure, costs: Costs
) -> tuple[str, float, int]:
    """What a stage does, its seconds and its bytes.

    Args:
        stage: Of the procedure.
        procedure: Tells how many images a stage has.
        costs: Of one image.
    """
    if stage.tool == 'train.py':
        cfg = _training_config(stage, procedure)
        seconds = stage.work * batch_images(cfg) * costs.train
        seconds += validated_images(cfg, stage.work, costs) * costs.label
        return f'{stage.work} iterations', seconds, costs.checkpoint
    if stage.tool == 'translate_lab.py':
        number = int(stage.name.rsplit('_', 1)[1])
        count = costs.sources[number]
        seconds = (count + costs.targets) * costs.translate
        return f'{count} images', seconds, costs.source_bytes[number]
    if stage.tool == 'generate_pseudo_labels.py':
        count = _labelled_images(stage, procedure, costs.targets)
        models = len(stage.uses['weights'])
        seconds = count * models * costs.label
        size = int(count * costs.pixels * _label_bytes(stage))
        return f'{count} images', seconds, size
    if stage.name.endswith('merge'):
        count = procedure.options.collaboration.sample or costs.targets
        size = int(2 * count * costs.pixels * _LABEL_BYTES)
        return f'{count} images', 5.0, size
    return '', 5.0, 0


def validated_images(cfg: Config, iterations: int, costs: Costs) -> int:
    """Images that a training labels to validate, all times together.

    Args:
        cfg: Of the training.
        iterations: That it has.
        costs: Tell the number of images.
    """
    times = int(iterations // cfg.train_cfg.get('val_interval', 1000))
    return times * costs.validation if cfg.get('val_dataloader') else 0


def _label_bytes(stage: Stage) -> float:
    scores = 'final' not in stage.name and stage.config().pseudo_labels.get(
        'keep_scores'
    )
    return _LABEL_BYTES + (_SCORE_BYTES if scores else 0)


def _training_config(stage: Stage, procedure: Procedure) -> Config:
    configs = {'baseline': procedure.baseline, 'final': procedure.final}
    return configs.get(stage.name.split('/')[0], procedure.cycle)


def _labelled_images(stage: Stage, procedure: Procedure, targets: int) -> int:
    group = stage.name.split('/')[0]
    if group == 'final':
        return targets
    options = getattr(procedure.options, group)
    if stage.name.endswith('relabel'):
        cycle = int(stage.name.split('cycle_')[1].split('/')[0])
        return min(options.keep * (cycle + 1), targets)
    return options.sample or targets


def shown_size(size: int) -> str:
    """Bytes in the unit that people read."""
    value = float(size)
    for unit in ('B', 'KB', 'MB', 'GB'):
        if value < 1000:
            return f'{value:.0f} {unit}' if value else ''
        value /= 1000
    return f'{value:.1f} TB'
