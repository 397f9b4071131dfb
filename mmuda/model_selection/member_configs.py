# Copyright (c) mmuda authors.
"""The config of each checkpoint where networks of several are compared.

All see the images of one config, that of the comparison. Another config says
what a network is, how it is shown the images (their size) and whether student
or teacher is tested.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.runner import CheckpointLoader
from mmengine.runner.checkpoint import load_state_dict

from mmuda.datasets.domain_dataset import preserved_random_states
from mmuda.models.trained import check_state, named_tensors
from mmuda.registry import DATASETS, MODELS
from mmuda.utils.checkpoint_configs import config_of_checkpoint
from mmuda.utils.class_names import require_trained_classes, stored_classes
from mmuda.utils.compat import local_checkpoint
from mmuda.utils.config_data import (
    data_sets,
    dataset_leaves,
    without_label_loaders,
)
from mmuda.utils.config_keys import config_errors, type_name
from mmuda.utils.errors import CheckpointError, ConfigError
from mmuda.utils.evaluation_config import AT_INPUT_SIZE
from mmuda.utils.names import SOURCE, UNSEEN
from mmuda.utils.weights import check_finite

from .pool_members import Member, of_same_run
from .selection_data import LOADERS, RESIZERS, SOURCE_VAL, shown_pipeline

# What a comparison says for all: which images there are.
_DATA = (
    *('train_dataloader', 'val_dataloader', 'test_dataloader'),
    *('val_evaluator', 'test_evaluator', UNSEEN, SOURCE_VAL),
)


def members_of(
    cfg: Config,
    files: Sequence[str],
    configs: Mapping[str, Config] | None = None,
    domain: str | None = None,
) -> tuple[list[Member], list[str]]:
    """Find the config of each checkpoint of a comparison.

    A checkpoint takes the config that is named for it or for another one of
    its run, else that of the comparison. If it does not fit the network of
    that one, and is not named with it, it takes the config that its training
    has written into it, which is read as data and not run; a note says so.

    Args:
        cfg: Config of the comparison, which has the images.
        files: Checkpoints.
        configs: Other configs by checkpoint.
        domain: Name of one of several targets.

    Returns:
        The members in the order of the files, and notes.

    Raises:
        ConfigError: A config is of no checkpoint, or has other classes, or
            shows another part of the images.
        CheckpointError: A file can't be read, or fits no config.
    """
    given = {identity(file): own for file, own in (configs or {}).items()}
    _require_compared(given, files)
    fitting = _Fitting(cfg)
    found: dict[str, Member] = {}
    notes = []
    # Configs that are named come first: others of their runs follow them.
    for file in sorted(files, key=lambda file: identity(file) not in given):
        own = given.get(identity(file))
        same = [m for other, m in found.items() if of_same_run(other, file)]
        origin = ''
        if own is cfg:
            own = None
        elif own is not None:
            origin = str(own.filename or f'the config of {file}')
        elif same:
            found[file] = replace(same[0], file=file)
            continue
        elif (fault := fitting.fault(file)) is not None:
            own, origin = _recorded(file, fault), f'the config in {file}'
            notes.append(
                f'{file} does not fit the network of the config; the config '
                'that it holds says its network and the size of its images'
            )
        if own is None:
            found[file] = Member(file, cfg)
        else:
            merged = with_data_of(own, cfg, origin, domain)
            found[file] = Member(file, merged, origin=origin)
    return [found[file] for file in files], notes


def with_data_of(
    own: Config, cfg: Config, origin: str, domain: str | None = None
) -> Config:
    """Show the images of one config to the network of another.

    Args:
        own: Config of the network, whose pipelines are taken: those of its
            validation (or labelling, or test) for the target, and what its
            source resizes images to.
        cfg: Config of the images.
        origin: Where the first one is from, for messages.
        domain: Name of one of several targets.

    Returns:
        A config of its own.

    Raises:
        ConfigError: They have other classes, one sees only a part of the
            images, or the first one does not say how it sees them.
    """
    with named(origin):
        _require_same_classes(own, cfg)
        merged = Config(own.to_dict())
        for key in _DATA:
            merged.pop(key, None)
            if key in cfg:
                merged[key] = copy.deepcopy(cfg[key])
        _show_targets(merged, own)
        _show_source(merged, own)
        _require_same_part(merged, cfg, domain)
    return merged


def require_fitting(members: Sequence[Member], classes: Sequence[str]) -> None:
    """Refuse checkpoints of other classes, or that do not fit a config.

    A pool does so, too, where it is made; this looks at nothing else.

    Args:
        members: Of :func:`members_of`.
        classes: Names of the classes of the images.

    Raises:
        CheckpointError: One was trained for others, or does not fit the
            config of its own.
        ConfigError: Its network can't be built.
    """
    for member in members:
        with named(member.origin):
            file = str(local_checkpoint(member.file))
            trained = stored_classes(
                CheckpointLoader.load_checkpoint(file, 'cpu', 'silent')
            )
            require_trained_classes(trained, classes, member.file, 'images')
            if member.origin:
                fault = _Fitting(member.cfg).fault(member.file)
                if fault is not None:
                    raise fault


@contextmanager
def named(origin: str) -> Iterator[None]:
    """Let errors inside the block begin with the config that they are of.

    Args:
        origin: Name of the config; empty to leave them as they are.
    """
    try:
        yield
    except (ConfigError, CheckpointError) as error:
        if not origin:
            raise
        raise type(error)(f'{origin}: {error}') from error


def identity(file: str) -> str:
    """Absolute path of a file, by which it is told from others."""
    return str(Path(file).expanduser().resolve())


def _require_compared(
    given: Mapping[str, Config], files: Sequence[str]
) -> None:
    """Refuse configs of checkpoints that nobody compares."""
    known = {identity(file) for file in files}
    for file in given:
        if file not in known:
            raise ConfigError(
                f"there is a config for '{file}', which is not compared; "
                f'there are {", ".join(files)}'
            )


class _Fitting:
    """Tells which checkpoints fit the network of a config."""

    def __init__(self, cfg: Config) -> None:
        self._cfg = cfg
        self._model: BaseModel | None = None

    def fault(self, file: str) -> CheckpointError | None:
        """Why a checkpoint does not; None if it does."""
        path = str(local_checkpoint(file))
        checkpoint = CheckpointLoader.load_checkpoint(path, 'cpu', 'silent')
        state = named_tensors(checkpoint, path)
        check_finite(state, path)
        if self._model is None:
            # Called before a training, whose chance it leaves alone.
            with preserved_random_states(), config_errors(self._cfg):
                self._model = MODELS.build(self._cfg.model)
        if hasattr(self._model, 'main'):
            # A teacher that is missing is no matter of the network.
            self._model.predict_on = self._model.main
        try:
            check_state(self._model, state, path)
            load_state_dict(self._model, state)
        except CheckpointError as error:
            return error
        return None


def _recorded(file: str, fault: CheckpointError) -> Config:
    """The config in a checkpoint; without one the fault is told."""
    try:
        return config_of_checkpoint(local_checkpoint(file))
    except CheckpointError as error:
        raise CheckpointError(
            f'{fault}; of another network name the config '
            f'(--configs {file}=CONFIG; source_only_config or '
            f'pool_configs of a HarmReportHook), as none is found: {error}'
        ) from error


def _require_same_classes(own: Config, cfg: Config) -> None:
    """Refuse labels of other classes, also where they are named alike."""
    theirs, ours = _label_meta(own), _label_meta(cfg)
    for key, what in (('classes', 'classes'), ('label_set', 'label_set')):
        if key in theirs and key in ours and theirs[key] != ours[key]:
            raise ConfigError(
                f'{what} of its data sets are {_shown(theirs[key])}, and '
                f'{_shown(ours[key])} of the images that are compared on; '
                'compare networks of the same label_set'
            )


def _shown(value: object) -> str:
    if isinstance(value, list | tuple):
        return f'{len(value)} ({", ".join(map(str, value))})'
    return repr(value)


def _label_meta(cfg: Config) -> dict:
    """Classes and label set of a config, without a look at its files."""
    for dataset in data_sets(cfg).values():
        for leaf in dataset_leaves(dataset):
            plain = {k: v for k, v in leaf.items() if k != 'image_cache'}
            with config_errors(cfg):
                built = DATASETS.build(
                    dict(plain, lazy_init=True, pipeline=[])
                )
            meta = dict(built.metainfo)
            return {k: meta[k] for k in ('classes', 'label_set') if k in meta}
    return {}


def _show_targets(merged: Config, own: Config) -> None:
    """Give the evaluated sets the pipelines of another config."""
    sets = data_sets(merged)
    for name, dataset in sets.items():
        event, _, domain = name.partition('.')
        if event in ('val', 'test'):
            for leaf in dataset_leaves(dataset):
                leaf['pipeline'] = _with_key(_seen(own, domain or None))
    if not any(name.partition('.')[0] == 'val' for name in sets):
        # Which says in place of a validation how images are shown.
        merged.pseudo_labels = dict(pipeline=_with_key(_seen(own, None)))


def _seen(own: Config, domain: str | None) -> list[dict]:
    """How a network sees a target; by its test if nothing else says it."""
    sets = data_sets(own)
    evaluated = any(name.partition('.')[0] == 'val' for name in sets)
    if not evaluated and not (own.get('pseudo_labels') or {}).get('pipeline'):
        tests = [name for name in sets if name.partition('.')[0] == 'test']
        name = f'test.{domain}' if f'test.{domain}' in tests else None
        for test in [name] if name else tests[:1]:
            leaf = next(dataset_leaves(sets[test]))
            steps = leaf.get('pipeline') or []
            return without_label_loaders(steps, (AT_INPUT_SIZE,))
    return copy.deepcopy(shown_pipeline(own, domain))


def _with_key(steps: list[dict]) -> list[dict]:
    """Let images tell their key, by which some are chosen to be seen twice."""
    if steps and steps[-1] == dict(type='PackSegInputs'):
        return [*steps[:-1], dict(type='PackDomainInputs')]
    return steps


def _show_source(merged: Config, own: Config) -> None:
    """Give the source the pipelines of another config's source.

    Without one it is resized as targets are.
    """
    sets = data_sets(merged)
    if SOURCE not in sets:
        return
    source = data_sets(own).get(SOURCE) or []
    theirs = [leaf.get('pipeline') or [] for leaf in dataset_leaves(source)]
    leaves = [*dataset_leaves(sets[SOURCE])]
    for number, leaf in enumerate(leaves):
        if any(type_name(s) in LOADERS for steps in theirs for s in steps):
            place = number if len(theirs) == len(leaves) else 0
            leaf['pipeline'] = copy.deepcopy(theirs[place])
        else:
            leaf['pipeline'] = [
                step
                for step in leaf.get('pipeline') or []
                if type_name(step) not in RESIZERS
            ]


def _require_same_part(
    merged: Config, cfg: Config, domain: str | None
) -> None:
    """Refuse to compare pixels of parts of the images that differ."""
    theirs, ours = (
        [
            dict(step)
            for step in shown_pipeline(part, domain)
            if 'Crop' in type_name(step)
        ]
        for part in (merged, cfg)
    )
    if theirs != ours:
        raise ConfigError(
            f'val_dataloader.dataset.pipeline: {theirs or "no step"} cuts '
            f'images, and {ours or "no step"} where the images are from; '
            'compare networks that see the same part of an image'
        )
