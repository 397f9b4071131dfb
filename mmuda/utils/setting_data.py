# Copyright (c) mmuda authors.
"""Data loaders and metrics of a setting, out of the tables of domains."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.config import Config

from mmuda.utils.errors import ConfigError
from mmuda.utils.names import LABELLED_TARGET, SOURCE
from mmuda.utils.setting_tables import part_of

_FOLDERS = ('img_path', 'seg_map_path')
# What steps have that resize.
_SIZE_KEYS = {'scale', 'scales'}
# Parts of the data that are there whatever a config says of target images.
_NEEDED = ('train', 'few', 'val', 'test')
# Where that belongs which a protocol says for all domains.
_SAID = dict(
    data_prefix='write img_path and seg_map_path into train, few, val, test',
    pipeline='name the steps in protocol.<variant>.exceptions.{0}',
    label_set='classes of one domain are named in '
    'protocol.<variant>.exceptions.{0}, those of all in protocol.<variant>',
)


def data_of(cfg: Config, setting: Mapping, protocol: Mapping) -> dict:
    """Data loaders and evaluators of a setting.

    Args:
        cfg: With the table of domains.
        setting: An entry of its table.
        protocol: How the images are shown.

    Raises:
        ConfigError: A domain or the protocol lacks what it is used for.
    """
    sources, targets = sources_of(setting), setting['targets']
    few = sources_of(setting, LABELLED_TARGET)
    domains = {n: cfg.domains[n] for n in (*sources, *targets, *few)}
    trained = {SOURCE: _labelled(protocol, domains, sources, 'train')}
    if few:
        trained[LABELLED_TARGET] = _labelled(protocol, domains, few, 'few')
    found: dict[str, Any] = dict(
        targets=list(targets),
        num_classes=protocol['num_classes'],
        train_dataloader=dict(dataset=trained),
    )
    # Of a warm-up: without the pseudo-labels that it makes possible.
    shown = cfg.get('target_images', 'images')
    images: Any = None
    if shown is not None:
        images = {
            name: data_set_of(protocol, domains, name, shown)
            for name in targets
        }
    alone = bool(protocol.get('one_target')) and len(targets) == 1
    if alone:
        found['train_dataloader']['dataset']['target'] = (
            images and images[targets[0]]
        )
    else:
        found['train_dataloader']['dataset']['targets'] = images
    return found | _evaluation_of(protocol, domains, targets, alone)


def sources_of(setting: Mapping, key: str = SOURCE) -> list[str]:
    """Names of the domains of a setting whose labels are learned.

    Args:
        setting: Of the table.
        key: ``source`` or ``labelled_target``, which it need not have.
    """
    given = setting.get(key) or ()
    return [given] if isinstance(given, str) else list(given)


def _labelled(
    protocol: Mapping, domains: Mapping, names: Sequence[str], part: str
) -> dict | list[dict]:
    """Data sets of one or several domains with labels, as one domain."""
    found = [data_set_of(protocol, domains, name, part) for name in names]
    joined: dict | list[dict] = found if len(found) > 1 else found[0]
    if 'sampling' in protocol:
        return dict(copy.deepcopy(protocol['sampling']), dataset=joined)
    return joined


def _evaluation_of(
    protocol: Mapping, domains: Mapping, targets: list[str], alone: bool
) -> dict:
    """Loaders and metrics: lists by target, or those of the one alone."""
    evaluated = [name for name in targets if domains[name].get('val')]
    metrics = [_metrics_of(protocol, domains, name) for name in evaluated]
    found: dict[str, Any] = {}
    for event in ('val', 'test') if evaluated else ():
        loaders = [
            dict(
                protocol['evaluated'],
                dataset=data_set_of(
                    protocol, domains, name, event, test_mode=True
                ),
            )
            for name in evaluated
        ]
        found[f'{event}_dataloader'] = loaders[0] if alone else loaders
        found[f'{event}_evaluator'] = copy.deepcopy(
            metrics[0] if alone else metrics
        )
    return found


def _metrics_of(
    protocol: Mapping, domains: Mapping, name: str
) -> dict | list[dict]:
    metric = dict(type='DomainIoUMetric', iou_metrics=['mIoU'], prefix=name)
    for part in (domains[name], protocol, exception_of(protocol, name)):
        metric |= part.get('metric', {})
    more = protocol.get('more_metrics', [])
    others = [dict(config, prefix=name) for config in more]
    return [metric, *others] if others else metric


def data_set_of(
    protocol: Mapping, domains: Mapping, name: str, part: str, **more
) -> dict:
    """A domain's ``train``, ``few``, ``val`` or ``test``, or its images alone.

    Args:
        protocol: How the images are shown.
        domains: The table.
        name: Of the domain.
        part: Which it is: another name than these is that of the pipeline
            which images for training without labels are shown through.
        **more: Further keys of the data set.

    Raises:
        ConfigError: The domain or the protocol lacks what is needed.
    """
    own = domains[name]
    evaluated, learned = part in ('val', 'test'), part in ('train', 'few')
    # A domain without a test split is tested where it is validated.
    split = part if evaluated and part in own else 'val'
    split = split if evaluated else ('few' if part == 'few' else 'train')
    kind = part_of(domains, name, 'dataset', 'type')
    files = dict(part_of(domains, name, split, 'img_path'))
    prefix = {key: files.pop(key) for key in _FOLDERS if key in files}
    if learned and 'seg_map_path' not in prefix:
        whose = 'a source' if part == 'train' else 'a labelled target'
        raise ConfigError(
            f'domains.{name}.{split} has no seg_map_path: {whose} needs labels'
        )
    if not evaluated and not learned:
        prefix.pop('seg_map_path', None)
    shown = 'val' if evaluated else 'train' if learned else part
    pipeline = (
        _few_pipeline(protocol, name)
        if part == 'few'
        else pipeline_of(protocol, name, f'{shown}_pipeline', part)
    )
    labels = exception_of(protocol, name).get(
        'label_set', protocol.get('label_set')
    )
    said = dict(data_prefix=prefix, pipeline=pipeline, **more)
    if labels is not None:
        said['label_set'] = labels
    for place, given in (('dataset', kind), (split, files)):
        _require_unsaid(said, given, f'domains.{name}.{place}')
    return copy.deepcopy(dict(kind, **{**files, **said}))


def _require_unsaid(said: Mapping, given: Mapping, place: str) -> None:
    """Refuse what a domain says of what the protocol decides for it."""
    for key in given:
        if key in said and given[key] != said[key]:
            name = place.split('.')[1]
            raise ConfigError(
                f'{place}.{key}={given[key]!r}: '
                + _SAID.get(key, 'leave it out').format(name)
            )


def pipeline_of(
    protocol: Mapping, name: str, steps: str, part: str
) -> list[dict]:
    """Steps that a domain is shown through.

    Args:
        protocol: With those of all domains, or of this one.
        name: Of the domain.
        steps: Key of the pipeline.
        part: What it is for.

    Raises:
        ConfigError: There are none.
    """
    own = exception_of(protocol, name)
    if steps not in own and steps not in protocol:
        raise ConfigError(
            f'{steps}: the protocol of this setting has none'
            + ('' if part in _NEEDED else f', but target_images={part!r}')
        )
    return own[steps] if steps in own else protocol[steps]


def _few_pipeline(protocol: Mapping, name: str) -> list[dict]:
    """Steps of a few labelled images: those of a source, as large as others.

    Unless a ``few_pipeline`` says it, or the domain has steps as a source,
    they are resized as the images of the target without labels.
    """
    own = exception_of(protocol, name)
    for given, key in (
        (own, 'few_pipeline'),
        (own, 'train_pipeline'),
        (protocol, 'few_pipeline'),
    ):
        if key in given:
            return given[key]
    learned = pipeline_of(protocol, name, 'train_pipeline', 'few')
    images = own.get('images_pipeline', protocol.get('images_pipeline', []))
    sizes = [step for step in images if _SIZE_KEYS.intersection(step)]
    places = [k for k, s in enumerate(learned) if _SIZE_KEYS.intersection(s)]
    if len(sizes) != len(places):
        return learned
    resized = dict(zip(places, sizes, strict=True))
    return [resized.get(k, step) for k, step in enumerate(learned)]


def exception_of(protocol: Mapping, name: str) -> Mapping:
    """What a protocol says of one domain."""
    return protocol.get('exceptions', {}).get(name) or {}
