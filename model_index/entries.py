# Copyright (c) mmuda authors.
"""The file of published numbers, and the configs that it names."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mmengine.config import Config
from typing_extensions import NotRequired, TypedDict

from mmuda.utils.config import load_config
from mmuda.utils.errors import ConfigError
from mmuda.utils.files import read_yaml
from mmuda.utils.value_types import find_fault

NUMBERS = 'configs/published.yml'
MEAN = 'mean/mIoU'
Certainty = Literal['confirmed', 'recalled', 'doubtful']


class Collection(TypedDict):
    """A paper, and what holds for most of its numbers."""

    name: str
    title: str
    url: NotRequired[str]
    code: NotRequired[str]
    techniques: list[str]
    certainty: NotRequired[Certainty]
    source: NotRequired[str]
    licence: NotRequired[str]


class Checkpoint(TypedDict):
    """A published file of a model.

    The head of the file says what each key means.
    """

    config: str
    file: str
    address: str
    converter: str
    options: NotRequired[str]
    test: NotRequired[str]
    score: NotRequired[float]
    mean: NotRequired[bool]
    server: NotRequired[str]
    note: NotRequired[str]


class Model(TypedDict):
    """A config, or an ensemble of several, and what is published of it.

    The head of the file says what each key means.
    """

    config: NotRequired[str]
    also: NotRequired[str]
    configs: NotRequired[list[str]]
    collection: NotRequired[str]
    column: NotRequired[str]
    published: NotRequired[dict[str, float]]
    range: NotRequired[list[float]]
    certainty: NotRequired[Certainty | dict[str, Certainty]]
    source: NotRequired[str]
    note: NotRequired[str]
    headline: NotRequired[bool]


class Folder(TypedDict):
    """What a folder of configs holds."""

    collections: list[Collection]
    models: list[Model]
    checkpoints: NotRequired[list[Checkpoint]]


class Published(TypedDict):
    """The file of published numbers."""

    names: list[dict[str, Any]]
    folders: dict[str, Folder]


@dataclass
class Entry:
    """A model of the file and its config.

    Attributes:
        folder: Below ``configs``.
        paper: Its collection.
        model: As the file has it.
        cfg: The config; of an ensemble the first one.
        names: As the file has them.
        decimals: Of the numbers, the same for all from one source.
    """

    folder: str
    paper: Collection
    model: Model
    cfg: Config
    names: list[dict[str, Any]]
    decimals: int = 0

    @property
    def leaves(self) -> list[str]:
        """Leaves that the metafile lists."""
        names = (self.model.get('config'), self.model.get('also'))
        return [f'{self.folder}/{name}' for name in names if name]

    @property
    def numbers(self) -> dict[str, float]:
        """Published numbers by metric."""
        return self.model.get('published', {})

    @property
    def certainty(self) -> dict[str, Certainty]:
        """How sure each number is."""
        word = self.model.get('certainty', self.paper.get('certainty'))
        if isinstance(word, dict):
            return word
        return dict.fromkeys(self.numbers, word) if word else {}

    @property
    def source(self) -> str:
        """Where the numbers are from."""
        return self.model.get('source', self.paper.get('source', ''))

    @property
    def metrics(self) -> dict[str, str]:
        """Metrics that a test of the config gives, and their data sets."""
        loaders, evaluators = self.cfg.val_dataloader, self.cfg.val_evaluator
        if not isinstance(loaders, list):
            loaders, evaluators = [loaders], [evaluators]
        found = {}
        for loader, metrics in zip(loaders, evaluators, strict=True):
            (dataset,) = self.datasets(loader.dataset)
            for metric in metrics if isinstance(metrics, list) else [metrics]:
                if metric.type == 'DomainIoUMetric':
                    for name in ('mIoU', *metric.get('subsets', ())):
                        found[f'{metric.prefix}/{name}'] = dataset
        if len(loaders) > 1:
            found[MEAN] = 'mean of the targets'
        return found

    @property
    def network(self) -> list[str]:
        """Names of the segmentor, if it has one, the head and the backbone."""
        network = self.cfg.model.segmentor
        around = [k['name'] for k in self.names if k['type'] == network.type]
        parts = network.decode_head, network.backbone
        return [*around, *map(self.name, parts)]

    @property
    def domains(self) -> str:
        """Source and what is tested on."""
        source = self.datasets(self.cfg.train_dataloader.dataset.source)
        tested = [
            name
            for metric, name in self.metrics.items()
            if metric.endswith('/mIoU') and metric != MEAN
        ]
        classes = self.cfg.model.segmentor.decode_head.num_classes
        text = f'{" + ".join(source)} → {", ".join(dict.fromkeys(tested))}'
        return text if classes == 19 else f'{text}, {classes} classes'

    def datasets(self, part: Any) -> list[str]:
        """Names of the data sets in a part of the config."""
        if isinstance(part, Mapping) and 'data_prefix' in part:
            return [self.name(part)]
        parts = part.values() if isinstance(part, Mapping) else part
        if isinstance(parts, str) or not hasattr(parts, '__iter__'):
            return []
        found = (name for part in parts for name in self.datasets(part))
        return list(dict.fromkeys(found))

    def name(self, part: Mapping[str, Any]) -> str:
        """Name of a data set or of a part of a network."""
        for known in self.names:
            if all(part.get(k) == v for k, v in known.items() if k != 'name'):
                return known['name']
        raise ConfigError(
            f'{NUMBERS}: names: none for {part["type"]} of {self.folder}/'
            f'{self.model.get("config")}; add one'
        )


def read_published(root: Path) -> Published:
    """Read the file of published numbers.

    Args:
        root: Of the repository.

    Raises:
        ConfigError: It is no YAML, or holds something else.
    """
    content = read_yaml(root / NUMBERS, 'correct the file')
    if fault := find_fault(content, Published):
        raise ConfigError(f'{NUMBERS}: {fault}')
    return content


def read_entries(root: Path, published: Published) -> dict[str, list[Entry]]:
    """Load the configs of all models.

    Args:
        root: Of the repository.
        published: What :func:`read_published` gives.

    Returns:
        Entries by folder, in the order of the file.

    Raises:
        ConfigError: A model names no config, one that can't be loaded, or an
            unknown collection.
    """
    found: dict[str, list[Entry]] = {}
    for folder, content in published['folders'].items():
        papers = {paper['name']: paper for paper in content['collections']}
        found[folder] = []
        for model in content['models']:
            where = f'{NUMBERS}: {folder}: {model}'
            name = model.get('collection', next(iter(papers), None))
            if name not in papers:
                raise ConfigError(
                    f'{where}: the collection is none of {", ".join(papers)}'
                )
            first = (model.get('configs') or [model.get('config')])[0]
            if first is None:
                raise ConfigError(f'{where}: names no config; add one')
            path = root / 'configs' / folder / first
            cfg = load_config(path, check=False)
            found[folder].append(
                Entry(folder, papers[name], model, cfg, published['names'])
            )
        _set_decimals(found[folder])
    return found


def _set_decimals(entries: list[Entry]) -> None:
    """A source gives all its numbers alike, but YAML loses last zeros."""
    counts: dict[str, int] = {}
    for entry in entries:
        for number in map(float, entry.numbers.values()):
            digits = len(str(number).partition('.')[2])
            counts[entry.source] = max(digits, counts.get(entry.source, 0))
    for entry in entries:
        entry.decimals = counts.get(entry.source, 0)
