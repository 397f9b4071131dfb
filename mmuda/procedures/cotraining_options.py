# Copyright (c) mmuda authors.
"""The key ``cotraining`` of a config."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from mmengine.config import Config

from mmuda.utils.checks import COUNT, SHARE, WHOLE
from mmuda.utils.config import load_config, of_same_setting
from mmuda.utils.config_data import override_data_roots
from mmuda.utils.config_keys import did_you_mean
from mmuda.utils.config_values import check_config, check_fields
from mmuda.utils.errors import ConfigError
from mmuda.utils.screen import tell

from .selection.accumulation import Accumulation
from .selection.exchange import ExchangeOrder
from .selection.merge import Disagreement
from .selection.ranking import Ranking


@dataclass(frozen=True)
class CycleOptions:
    """What self-training and co-training cycles have in common.

    Attributes:
        cycles: How many there are.
        sample: Target images that a cycle labels, drawn anew each time; None
            labels all of them.
        keep: Images of those that are handed on to the training.
        portion: Portion of each class's pixels to keep in the first cycle.
        portion_step: What is added in each further cycle.
        portion_limit: Never more than this after the first cycle.
        low: Lowest threshold of a class, and
        high: the highest.
        relabel: After how many of the cycles the accumulated images are
            labelled anew by the trained model.
        accumulation: ``update_best_score`` (an image keeps its best label),
            ``all`` (the latest label) or ``none`` (this cycle's images only).
        restart: Whether each training starts from the weights before the
            first cycle, not from those of the cycle before.
        changes: Values by dotted key for the config of these trainings.

    Raises:
        ConfigError: A value is out of range.
    """

    place: ClassVar[str] = 'cotraining'
    cycles: Annotated[int, COUNT]
    sample: Annotated[int, COUNT] | None = 500
    keep: Annotated[int, COUNT] = 100
    portion: Annotated[float, SHARE] = 0.5
    portion_step: Annotated[float, SHARE] = 0.0
    portion_limit: Annotated[float, SHARE] = 1.0
    low: Annotated[float, SHARE] = 0.5
    high: Annotated[float, SHARE] = 0.9
    relabel: Annotated[int, WHOLE] = 0
    accumulation: Accumulation = 'update_best_score'
    restart: bool = True
    changes: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(type(self), vars(self), self.place)
        if self.low > self.high:
            raise ConfigError(
                f'{self.place}: low={self.low} is above high={self.high}'
            )

    def portion_at(self, cycle: int) -> float:
        """Portion of each class's pixels to keep.

        Args:
            cycle: Number of the cycle, from 0.
        """
        if cycle == 0:
            return self.portion
        grown = self.portion + cycle * self.portion_step
        return round(min(grown, self.portion_limit), 10)


@dataclass(frozen=True)
class OneModelOptions(CycleOptions):
    """Algorithm 1: one model teaches itself.

    Attributes:
        order: How images are ranked: ``confidence``, ``num_classes`` or
            ``rejected``.
        models: Cycles whose models become A and B; negative numbers count
            from the last.

    Raises:
        ConfigError: A value is out of its range.
    """

    place: ClassVar[str] = 'cotraining.self_training'
    order: Ranking = 'confidence'
    models: tuple[int, int] = (0, -1)

    def __post_init__(self) -> None:
        super().__post_init__()
        pair = tuple(self.models)
        valid = len(pair) == 2 and all(
            isinstance(cycle, int) and -self.cycles <= cycle < self.cycles
            for cycle in pair
        )
        if not valid:
            raise ConfigError(
                f'{self.place}.models={self.models!r} must be two cycles of '
                f'{self.cycles}, such as (0, -1)'
            )

    def model_cycles(self) -> tuple[int, int]:
        """Cycles of the models that go on, counted from 0."""
        first, second = self.models
        return first % self.cycles, second % self.cycles


@dataclass(frozen=True)
class CollaborationOptions(CycleOptions):
    """Algorithm 2: two models teach each other.

    Attributes:
        high: Highest threshold of a class.
        min_pixels: An image shows a class if more of its pixels were kept.
        control: Of the range of an image's confidences in a class, the top
            part that is handed over.
        order: Which classes come first: ``difference`` of the thresholds,
            ``demand`` (the receiver's thresholds alone) or ``confidence``
            (a score of whole images).
        own: Whether half of the images are the receiver's own choice.
        merge: Whether each model's labels are completed by the other's from
            the second cycle on.
        disagreement: What becomes of pixels that both label differently when
            merging: ``keep`` leaves each its own, ``void`` rejects them.

    Raises:
        ConfigError: A value is out of its range.
    """

    place: ClassVar[str] = 'cotraining.collaboration'
    high: Annotated[float, SHARE] = 0.95
    min_pixels: Annotated[int, WHOLE] = 5000
    control: Annotated[float, SHARE] = 0.2
    order: ExchangeOrder = 'difference'
    own: bool = False
    merge: bool = True
    disagreement: Disagreement = 'keep'


@dataclass(frozen=True)
class CoTrainingOptions:
    """The whole procedure.

    Attributes:
        baseline: Config of the training on the translated source.
        final: Config of the training on the source and all pseudo-labels.
        self_training: The cycles of one model.
        collaboration: The cycles of two models.
        translate: Whether the source takes on the target's colours first.
        seed: Of the translation's pairs and the first cycle; each further
            cycle adds 1.
        final_thresholds: Thresholds of the last labels: those of the
            ``last_cycle``, which the models before it gave (published), or
            ``anew`` from all images that the last models label.

    Raises:
        ConfigError: A value is out of its range.
    """

    place: ClassVar[str] = 'cotraining'
    baseline: str
    final: str
    self_training: OneModelOptions
    collaboration: CollaborationOptions
    translate: bool = True
    seed: Annotated[int, WHOLE] = 100
    final_thresholds: Literal['last_cycle', 'anew'] = 'last_cycle'

    @classmethod
    def from_config(cls, cfg: Config) -> 'CoTrainingOptions':
        """Read and check the options of a config.

        Raises:
            ConfigError: There are none, or one is missing, unknown or out of
                its range.
        """
        given = cfg.get('cotraining')
        if not given:
            raise ConfigError(
                'the config has no cotraining=dict(baseline=CONFIG, ...); '
                'take one of configs/cotraining'
            )
        values = known_values(cls, given, 'cotraining')
        for name, kind in _PARTS.items():
            part = known_values(kind, values[name], f'cotraining.{name}')
            values[name] = kind(**part)
        return cls(**values)

    def __post_init__(self) -> None:
        check_fields(type(self), vars(self), self.place)


_PARTS = dict(
    self_training=OneModelOptions, collaboration=CollaborationOptions
)


def known_values(kind: type, given: Mapping, place: str) -> dict:
    """Values of the fields of a class, refusing others."""
    if not isinstance(given, Mapping):
        raise ConfigError(f'{place} must be dict(...), not {given!r}')
    names = {part.name: part for part in fields(kind)}
    for key in given:
        if key not in names:
            raise ConfigError(
                f"{place}: there is no '{key}'{did_you_mean(key, names)}"
            )
    for name, part in names.items():
        required = part.default is MISSING and part.default_factory is MISSING
        if required and name not in given:
            raise ConfigError(f'{place}.{name} is missing')
    check_fields(kind, given, place)
    return dict(given)


def read_cotraining(
    path: Path,
    changes: Mapping[str, Any],
    data_roots: Mapping[str, str],
    seed: int | None = None,
) -> tuple[CoTrainingOptions, dict[str, Config], dict[str, Path]]:
    """Read and check the three configs of co-training.

    Args:
        path: Of the config with ``cotraining``, that of the cycles.
        changes: Values by dotted key; those that are not of the procedure are
            for all three.
        data_roots: Folders of the data sets by domain.
        seed: Taken in place of that of the config.

    Returns:
        The options; configs and files of ``cycle``, ``baseline`` and
        ``final``.

    Raises:
        ConfigError: A file, a value or a domain is wrong, a seed is given
            that no stage would take, or the changes have another one.
    """
    whole = changes.get('randomness')
    if 'randomness.seed' in changes or (
        isinstance(whole, Mapping) and 'seed' in whole
    ):
        raise ConfigError(
            'randomness.seed: all stages of co-training take their seeds from '
            'cotraining.seed; give that, or --seed'
        )
    cycle = load_config(path, changes, check=False)
    if seed is not None:
        _take_seed(cycle, changes, seed)
    options = CoTrainingOptions.from_config(cycle)
    shared = {
        key: value
        for key, value in changes.items()
        if not key.startswith('cotraining.')
    }
    configs, files = {'cycle': cycle}, {'cycle': path}
    for role in ('baseline', 'final'):
        files[role] = path.parent / getattr(options, role)
        changed = of_same_setting(files[role], shared, cycle.get('setting'))
        configs[role] = load_config(files[role], changed, check=False)
    for config in configs.values():
        try:
            check_config(config)
        except ConfigError as error:
            raise ConfigError(f'{config.filename}: {error}') from error
        override_data_roots(config, data_roots)
    return options, configs, files


def _take_seed(cycle: Config, changes: Mapping[str, Any], seed: int) -> None:
    """Replace the seed of a config, in place, and say so."""
    procedure = cycle.get('cotraining')
    if not procedure:
        return
    place, whole = 'cotraining.seed', changes.get('cotraining')
    before = procedure.get('seed', seed)
    if before != seed:
        if place in changes or (
            isinstance(whole, Mapping) and 'seed' in whole
        ):
            raise ConfigError(
                f'--seed {seed} and {place}={before} of --cfg-options are two '
                'seeds; give one of them'
            )
        tell(f'--seed {seed} in place of {place}={before} of {cycle.filename}')
    cycle.merge_from_dict({place: seed})
