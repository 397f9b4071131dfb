# Copyright (c) mmuda authors.
"""What is trained and compared on a pair of domains, as a file says it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from experiments.row_roles import GivenRole, Role, roles_of
from mmuda.procedures.cotraining_options import known_values
from mmuda.utils.config_keys import did_you_mean
from mmuda.utils.errors import ConfigError
from mmuda.utils.evaluation_config import Protocol
from mmuda.utils.files import read_yaml
from mmuda.utils.mixed_precision import Precision

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / 'experiments'
Tool = Literal['train', 'self_train', 'cotrain']
Plain = bool | int | float | str | None


@dataclass(frozen=True)
class Tested:
    """How a row is tested, see ``tools/test.py``.

    Attributes:
        head: That predicts.
        protocol: Resolution at which it is judged.
        tta: Whether mirror images are averaged.
        amp: Precision of the networks, whatever they were trained in.
        options: Values of the config for the test alone, by dotted key.
    """

    head: str | None = None
    protocol: Protocol | None = None
    tta: bool = False
    amp: Precision = 'fp32'
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """A row of the table: a recipe that is trained with each seed.

    Attributes:
        config: File, relative to the repository.
        tool: That trains it.
        title: In tables; by default the row's name.
        network: The same, of the network; by default that of the experiment.
        options: Values of the config by dotted key.
        first_options: The same for the first training of ``self_train``.
        amp: Precision of the training; by default that of the command.
        starts_from: Another row, whose last checkpoint with the same seed is
            where the training begins, or what labels first.
        role: Said where it is not seen from the experiment: a further
            ``source_only`` or ``oracle``, which is no method; ``method`` of
            one that knows the target though its config names none, as by
            images in the target's colours.
        source_only: Row that this one has to beat in place of the
            experiment's, of the same network, augmentation and budget.
        data_roots: Names of folders by domain, where they are not the same:
            an oracle, whose source is the target with its labels, has
            ``source: target``.
        test: How it is tested.
    """

    config: str
    tool: Tool = 'train'
    title: str | None = None
    network: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    first_options: Mapping[str, Any] = field(default_factory=dict)
    amp: Precision | None = None
    starts_from: str | None = None
    role: GivenRole | None = None
    source_only: str | None = None
    data_roots: Mapping[str, str] = field(default_factory=dict)
    test: Tested = Tested()

    @property
    def file(self) -> Path:
        """Path of the config."""
        return ROOT / self.config


@dataclass(frozen=True)
class Experiment:
    """Rows that are trained and compared on a pair of domains.

    Attributes:
        name: That of the file.
        title: The pair in words.
        source_only: Row that adaptation has to beat: the same network,
            augmentation and budget without the target. A row may name
            another one for itself.
        oracle: Row that has labels of the target; None if there is none.
        network: Of rows that name no other.
        shown_size: Width and height of images in pictures, where the files
            are squeezed.
        rows: By name, each before those that start from it or after them.
    """

    name: str
    title: str
    source_only: str
    rows: Mapping[str, Row]
    oracle: str | None = None
    network: str = ''
    shown_size: tuple[int, int] | None = None

    def role_of(self, name: str) -> Role:
        """What a row is for the others, as of :func:`roles_of`.

        Args:
            name: Of the row.
        """
        given = {k: row.role for k, row in self.rows.items() if row.role}
        if given.get(name) == 'method':
            return 'method'
        starts = {key: row.starts_from for key, row in self.rows.items()}
        named = {row.source_only for row in self.rows.values()}
        plain = [k for k, role in given.items() if role == 'source_only']
        best = [k for k, role in given.items() if role == 'oracle']
        return roles_of(
            starts,
            {self.source_only, *plain, *(n for n in named if n)},
            {*best, *([] if self.oracle is None else [self.oracle])},
        )[name]

    def reference_of(self, name: str) -> str:
        """The source-only row that a row is compared with.

        Args:
            name: Of the row.
        """
        return self.rows[name].source_only or self.source_only

    def chosen(self, only: Sequence[str] | None) -> list[str]:
        """Rows that are asked for, and before each what it starts from.

        Args:
            only: Names of rows; None for all.

        Raises:
            ConfigError: There is no such row, or rows start from each other.
        """
        found: dict[str, None] = {}
        for name in only or self.rows:
            _require_known(name, self.rows, '--only')
            found |= dict.fromkeys(reversed(self.chain(name)))
        needed = {self.rows[name].starts_from for name in found}
        # What others wait for comes first.
        first = [n for n in found if n in needed]
        return [*first, *(n for n in found if n not in needed)]

    def chain(self, name: str) -> list[str]:
        """A row, what it starts from, what that starts from, and so on.

        Args:
            name: Of the row.

        Raises:
            ConfigError: Rows start from each other.
        """
        found: list[str] = []
        following: str | None = name
        while following is not None:
            if following in found:
                raise ConfigError(
                    f'rows.{name}.starts_from: {", ".join(found)} start from '
                    'each other'
                )
            found.append(following)
            following = self.rows[following].starts_from
        return found


def read_experiment(path: Path) -> Experiment:
    """Read and check a file of an experiment.

    Args:
        path: A YAML file such as ``experiments/demo.yml``.

    Raises:
        ConfigError: A key is unknown or missing, a value wrong, or a row
            names another that is not there.
        DataError: The file can't be read.
    """
    content = read_yaml(path, 'correct the file')
    try:
        return _experiment(path.stem, content)
    except ConfigError as error:
        raise ConfigError(f'{path}: {error}') from error


def _experiment(name: str, content: Any) -> Experiment:
    if not isinstance(content, Mapping):
        raise ConfigError('holds no keys; experiments/demo.yml is an example')
    given = {'name': name, **content}
    rows = given.get('rows')
    if not isinstance(rows, Mapping) or not rows:
        raise ConfigError('rows: there are none; name at least one')
    given['rows'] = {key: _row(key, value) for key, value in rows.items()}
    experiment = Experiment(
        **known_values(Experiment, given, 'the experiment')
    )
    for role in ('source_only', 'oracle'):
        row = getattr(experiment, role)
        if row is not None:
            _require_known(row, experiment.rows, role)
            _require_role(experiment, row, role, role)
    for key, row in experiment.rows.items():
        for part in ('starts_from', 'source_only'):
            other = getattr(row, part)
            if other is not None:
                _require_known(other, experiment.rows, f'rows.{key}.{part}')
        experiment.chain(key)
    for key in experiment.rows:
        _check_reference(experiment, key)
    _require_different_titles(experiment)
    return experiment


def _require_role(
    experiment: Experiment, name: str, role: str, place: str
) -> None:
    given = experiment.rows[name].role
    if given not in (None, role):
        raise ConfigError(
            f'{place}: {name!r} is no {role}, as its role says {given!r}'
        )


def _check_reference(experiment: Experiment, name: str) -> None:
    """Check what a row names as its source-only row."""
    other = experiment.rows[name].source_only
    if other is None:
        return
    place = f'rows.{name}.source_only'
    role = experiment.role_of(name)
    if name in (other, experiment.source_only):
        raise ConfigError(f'{place}: {name} has no other row to beat')
    if role in ('start', 'oracle'):
        raise ConfigError(
            f'{place}: {name} is no method but {role}, and has nothing to '
            'beat; leave it out'
        )
    _require_role(experiment, other, 'source_only', place)
    if other == experiment.oracle:
        raise ConfigError(f'{place}: {other!r} is the oracle')


def _require_different_titles(experiment: Experiment) -> None:
    """Tables and pictures tell rows apart by what they are called."""
    known: dict[str, str] = {}
    for name, row in experiment.rows.items():
        title = row.title or name
        other = known.setdefault(title, name)
        if other != name:
            raise ConfigError(
                f'rows.{name}.title: {title!r} is what rows.{other} is '
                'called, too; give it a title of its own'
            )


def _row(name: Any, given: Any) -> Row:
    place = f'rows.{name}'
    if not isinstance(name, str) or not name.isidentifier():
        raise ConfigError(
            f'{place}: a row is a folder, too; name it by letters, digits '
            'and _ alone'
        )
    if isinstance(given, Mapping) and 'test' in given:
        test = known_values(Tested, given['test'], f'{place}.test')
        given = {**given, 'test': Tested(**test)}
    row = Row(**known_values(Row, given, place))
    for part, options in (
        ('options', row.options),
        ('first_options', row.first_options),
        ('test.options', row.test.options),
    ):
        for key, value in options.items():
            _require_plain(value, f'{place}.{part}.{key}')
    if row.first_options and row.tool != 'self_train':
        raise ConfigError(
            f'{place}.first_options: only tool: self_train has a first '
            'training; take options'
        )
    return row


def _require_known(name: str, rows: Iterable[str], place: str) -> None:
    if name not in (known := list(rows)):
        raise ConfigError(
            f'{place}: there is no row {name!r}{did_you_mean(name, known)}'
        )


def _require_plain(value: Any, place: str) -> None:
    if isinstance(value, list):
        for number, part in enumerate(value):
            _require_plain(part, f'{place}[{number}]')
    elif not isinstance(value, Plain):
        raise ConfigError(
            f'{place}: {value!r} is no number, text or list of them; write a '
            'config with it, and name that'
        )
