# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""How long a procedure will take, and how much disk space."""

from collections.abc import Mapping, Sequence

from mmengine.config import Config
from rich.table import Table

from .costs import Costs, batch_images
from .stage import Procedure, Stage, Step
from .state import ProcedureState
from .status import duration

# An 8-bit PNG of labels takes about a fiftieth of a byte for each pixel.
_LABEL_BYTES = 0.02
# A 16-bit TIFF of the confidences of kept pixels.
_SCORE_BYTES = 0.75
_CAPTION = (
    'Times: one training and one labelling step measured here (the '
    'latter for validation, too), one process, data from the cache; '
    'seconds of finished stages as they were.'
)


def plan_table(
    procedure: Procedure,
    steps: Sequence[Step],
    state: ProcedureState,
    costs: Costs | None,
) -> Table:
    """The stages with their work, time and disk space.

    Args:
        procedure: Whose stages they are.
        steps: That would run.
        state: Times of finished stages.
        costs: Of one image; None leaves out times and disk space.
    """
    table = Table(title=f'Plan of {procedure.work_dir}')
    columns = ('stage', 'status', 'work', *(('time', 'disk') if costs else ()))
    for column in columns:
        table.add_column(column, no_wrap=True, overflow='fold')
    total_seconds, total_bytes = 0.0, 0
    for stage in (stage for step in steps for stage in step):
        work = work_of(stage, procedure, costs)
        row = [stage.name, state.status(stage), work]
        if costs:
            seconds, size = estimate(stage, procedure, costs)
            if stage.is_done:
                seconds = state.seconds(stage) or seconds
            else:
                total_seconds += seconds
                total_bytes += size
            row += [duration(seconds), shown_size(size)]
        table.add_row(*row)
    if costs:
        table.add_section()
        left = duration(total_seconds), shown_size(total_bytes)
        table.add_row('left', '', '', *left)
        table.caption = _CAPTION
    return table


def work_of(stage: Stage, procedure: Procedure, costs: Costs | None) -> str:
    """What a stage does, in words.

    Args:
        stage: Of the procedure.
        procedure: Tells how many images a stage has.
        costs: Tell how many there are; None if that is not known.
    """
    if stage.tool == 'train.py':
        return f'{stage.work} iterations'
    if not _handles_images(stage):
        return ''
    number = _images(stage, procedure, costs)
    return 'all images' if number is None else f'{number} images'


def estimate(
    stage: Stage, procedure: Procedure, costs: Costs
) -> tuple[float, int]:
    """Seconds and bytes of a stage.

    Args:
        stage: Of the procedure.
        procedure: Tells how many images a stage has.
        costs: Of one image.
    """
    if stage.tool == 'train.py':
        cfg = procedure.config_of(stage)
        seconds = stage.work * batch_images(cfg) * costs.train
        seconds += validated_images(cfg, stage.work, costs) * costs.label
        return seconds, costs.checkpoint
    if not _handles_images(stage):
        return 5.0, 0
    count = _images(stage, procedure, costs)
    assert count is not None, 'known where costs are'
    if stage.tool == 'translate_lab.py':
        images = count + sum(costs.targets.values())
        return images * costs.translate, costs.source_bytes[_source(stage)]
    if stage.tool == 'generate_pseudo_labels.py':
        weights = stage.uses['weights']
        assert isinstance(weights, Sequence), 'files, as of the procedures'
        seconds = count * len(weights) * costs.label
        return seconds, int(count * costs.pixels * _label_bytes(stage))
    return 5.0, int(2 * count * costs.pixels * _LABEL_BYTES)


def validated_images(cfg: Config, iterations: int, costs: Costs) -> int:
    """Images that a training labels to validate, all times together.

    Args:
        cfg: Of the training.
        iterations: That it has.
        costs: Tell the number of images.
    """
    times = int(iterations // cfg.train_cfg.get('val_interval', 1000))
    return times * costs.validation if cfg.get('val_dataloader') else 0


def _handles_images(stage: Stage) -> bool:
    tools = ('translate_lab.py', 'generate_pseudo_labels.py')
    return stage.tool in tools or stage.name.endswith('merge')


def _images(
    stage: Stage, procedure: Procedure, costs: Costs | None
) -> int | None:
    if stage.tool == 'translate_lab.py':
        return costs.sources[_source(stage)] if costs else None
    wanted = procedure.images_of(stage)
    there = _labelled(stage, costs.targets) if costs else None
    return min((n for n in (wanted, there) if n is not None), default=None)


def _source(stage: Stage) -> int:
    return int(stage.name.rsplit('_', 1)[1])


def _labelled(stage: Stage, targets: Mapping[str, int]) -> int:
    """Images of the target that a stage is about, of all by default."""
    name = stage.name.rpartition('/')[2]
    return targets.get(name, sum(targets.values()))


def _label_bytes(stage: Stage) -> float:
    if stage.config is None or 'final' in stage.name:
        return _LABEL_BYTES
    scores = stage.config().pseudo_labels.get('keep_scores')
    return _LABEL_BYTES + (_SCORE_BYTES if scores else 0)


def shown_size(size: int) -> str:
    """Bytes in the unit that people read."""
    value = float(size)
    for unit in ('B', 'KB', 'MB', 'GB'):
        if value < 1000:
            return f'{value:.0f} {unit}' if value else ''
        value /= 1000
    return f'{value:.1f} TB'
