# Copyright (c) mmuda authors.
"""Telling in some lines what a run does, before it does it."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TypeGuard

import torch
from mmengine.device import get_device
from mmengine.dist import get_world_size, is_main_process
from mmengine.hooks import CheckpointHook, Hook
from mmengine.optim import AmpOptimWrapper
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmseg.datasets.transforms import RandomCrop
from torch import nn

from mmuda.datasets.data_checks import iter_domains
from mmuda.datasets.domain_dataset import iter_transforms, leaf_datasets
from mmuda.datasets.images.image_io import read_header
from mmuda.datasets.segmentation_dataset import SegmentationDataset
from mmuda.engine.loops import trains
from mmuda.models.players import player_optim_wrappers, unwrap
from mmuda.registry import HOOKS
from mmuda.utils.checks import COUNT
from mmuda.utils.errors import DataError
from mmuda.utils.mixed_precision import Precision, bf16_hardware
from mmuda.utils.screen import show_all
from mmuda.utils.text import join_some

from .data_check_hook import evaluated_datasets, model_of
from .mixed_precision_hook import MixedPrecisionHook

# Label and what there is to say.
Line = tuple[str, str]


@HOOKS.register_module()
class RunSummaryHook(Hook):
    """Log what is trained or tested on what, and show all lines after it.

    ``UDARunner`` adds it, and shows no more than warnings before. It comes
    after the check of the data, and before what takes time.
    """

    priority = 'HIGH'

    def before_train(self, runner: Runner) -> None:
        """Tell what will be trained."""
        self._tell(runner, 'Train', [*training_lines(runner)])

    def before_val(self, runner: Runner) -> None:
        """Tell what is validated, unless that is part of a training."""
        if not trains(runner):
            self._tell(runner, 'Validate', [*testing_lines(runner, 'val')])

    def before_test(self, runner: Runner) -> None:
        """Tell what will be tested."""
        self._tell(runner, 'Test', [*testing_lines(runner, 'test')])

    def _tell(self, runner: Runner, title: str, lines: list[Line]) -> None:
        show_all(runner.logger)
        if is_main_process():
            model = model_of(runner)
            lines = [*network_lines(runner, model), *lines, *output(runner)]
            width = max(len(label) for label, _ in lines) + 2
            runner.logger.info(
                '\n'.join(
                    [f'{title} {type(model).__name__}']
                    + [f'  {k:<{width}}{text}' for k, text in lines if text]
                )
            )


def network_lines(runner: Runner, model: nn.Module) -> Iterator[Line]:
    """Describe config and network.

    Args:
        runner: Whose config is named.
        model: Of the runner, without wrappers.

    Yields:
        Labels and texts, empty where nothing is known.
    """
    yield 'config', str(runner.cfg.filename or '')
    terms = [type(term).__name__ for term in getattr(model, 'terms', ())]
    yield 'terms', ', '.join(terms)
    members = getattr(model, 'members', [model])
    if len(members) > 1:
        yield 'ensemble', f'{len(members)} networks'
    network = unwrap(getattr(members[0], 'segmentor', members[0]))
    backbone = getattr(network, 'backbone', None)
    depth = getattr(backbone, 'depth', None)
    words = type(network).__name__
    if backbone is not None:
        words += f' on {type(backbone).__name__}' + f'-{depth}' * bool(depth)
    size = sum(parameter.numel() for parameter in network.parameters())
    classes = getattr(network, 'out_channels', None)
    words += f', {classes} classes' if classes else ''
    yield 'network', f'{words}, {_amount(size)} parameters'


def training_lines(runner: Runner) -> Iterator[Line]:
    """Describe data, length, machine and start of a training.

    Args:
        runner: About to train.

    Yields:
        Labels and texts, empty where nothing is known.
    """
    loader = runner.train_dataloader
    for name, dataset in iter_domains(loader.dataset):
        yield name, describe_images(dataset)
    for name, dataset in evaluated_datasets('', runner.val_loop).items():
        yield 'validation', ': '.join(filter(None, [name, _images(dataset)]))
    processes = get_world_size()
    batch = f'batch {getattr(loader, "batch_size", None) or 1}'
    if processes > 1:
        batch += f' on each of {processes} processes'
    yield 'length', f'{_iterations(runner)}, {batch}'
    yield 'intervals', ', '.join(_intervals(runner))
    yield 'trained', ', '.join(_players(runner))
    yield 'device', _device(runner)
    yield 'precision', _precision(runner)
    yield 'start', _start(runner)


def testing_lines(runner: Runner, event: str) -> Iterator[Line]:
    """Describe data, machine and weights of a test or validation.

    Args:
        runner: About to test.
        event: ``test`` or ``val``.

    Yields:
        Labels and texts, empty where nothing is known.
    """
    loop = runner.test_loop if event == 'test' else runner.val_loop
    for name, dataset in evaluated_datasets('', loop).items():
        yield name or 'images', describe_images(dataset)
    yield 'device', _device(runner)
    hooks = runner.hooks if event == 'test' else []
    found = (h.precision for h in hooks if isinstance(h, MixedPrecisionHook))
    yield 'precision', _mixed(next(found, 'fp32'))
    yield 'weights', _weights(runner)


def output(runner: Runner) -> Iterator[Line]:
    """Tell where files are written.

    Args:
        runner: Any.

    Yields:
        Labels and texts, empty where nothing is known.
    """
    yield 'output', str(runner.work_dir)
    yield 'whole log', str(runner.logger.log_file or '')


def describe_images(dataset: SegmentationDataset) -> str:
    """Tell kind, number, sizes and folder of the images of a domain.

    Args:
        dataset: Of the domain.

    Returns:
        Such as ``GTA5Dataset, 24,966 images (1914x1052, seen as 1280x720),
        data/GTA5``. The first size is that of the first image, the second the
        last that the pipeline names.
    """
    leaves = [*leaf_datasets(dataset)]
    kinds = dict.fromkeys(type(leaf).__name__ for leaf in leaves)
    roots = dict.fromkeys(str(getattr(x, 'data_root', '')) for x in leaves)
    words = [join_some([*kinds]), _images(dataset), join_some([*roots])]
    return ', '.join(filter(None, words))


def _images(dataset: SegmentationDataset) -> str:
    leaf = next(leaf_datasets(dataset))
    sizes = [_first_size(leaf), _seen_size(leaf)]
    sizes[1] = sizes[1] and f'seen as {sizes[1]}'
    known = ', '.join(filter(None, sizes))
    return f'{len(dataset):,} images' + f' ({known})' * bool(known)


def _first_size(leaf: SegmentationDataset) -> str:
    # What can't be read has been found by the check of the data.
    with suppress(AttributeError, KeyError, DataError):
        header = read_header(leaf.get_data_info(0)['img_path'])
        sides = header.width, header.height
        # From 5 on the image is turned by a quarter when it is read.
        width, height = sides[::-1] if header.orientation > 4 else sides
        return f'{width}x{height}'
    return ''


def _seen_size(leaf: SegmentationDataset) -> str:
    found = ''
    for transform in iter_transforms(getattr(leaf, 'pipeline', None)):
        if isinstance(transform, RandomCrop):
            height, width = transform.crop_size
            found = f'{width}x{height}'
        elif _is_size(size := getattr(transform, 'scale', None)):
            found = f'{size[0]}x{size[1]}'
    return found


def _is_size(value: object) -> TypeGuard[Sequence[int]]:
    # Of a range of sizes there are two of two.
    return (
        isinstance(value, tuple | list)
        and len(value) == 2
        and all(isinstance(length, int) for length in value)
    )


def _iterations(runner: Runner) -> str:
    if runner.iter >= runner.max_iters:
        return f'all {runner.max_iters:,} iterations are done'
    done = f' ({runner.iter:,} done)' if runner.iter else ''
    return f'iterations {runner.iter + 1:,} to {runner.max_iters:,}{done}'


def _intervals(runner: Runner) -> Iterator[str]:
    if runner.val_loop is not None:
        by_epoch = isinstance(runner.train_loop, EpochBasedTrainLoop)
        unit = 'epochs' if by_epoch else 'iterations'
        yield f'validation every {runner.val_interval:,} {unit}'
    for hook in runner.hooks:
        if isinstance(hook, CheckpointHook) and COUNT.fits(hook.interval):
            yield f'checkpoint every {hook.interval:,}'


def _players(runner: Runner) -> Iterator[str]:
    for player, wrapper in player_optim_wrappers(runner.optim_wrapper).items():
        tensors = [t for g in wrapper.param_groups for t in g['params']]
        size = _amount(sum(tensor.numel() for tensor in tensors))
        optimizer = type(wrapper.optimizer).__name__
        yield f'{player} ({size}, {optimizer})'
    fixed = sum(not p.requires_grad for p in runner.model.parameters())
    if fixed:
        yield f'{fixed} tensors are not trained'


def _device(runner: Runner) -> str:
    devices = (parameter.device for parameter in runner.model.parameters())
    device = next(devices, torch.device('cpu'))
    count = get_world_size()
    name = 'CPU' if device.type == 'cpu' else str(device)
    if device.type == 'cuda':
        name = torch.cuda.get_device_name(device)
    return name + f', {count} processes' * (count > 1)


def _precision(runner: Runner) -> str:
    wrappers = player_optim_wrappers(runner.optim_wrapper).values()
    mixed = [w for w in wrappers if isinstance(w, AmpOptimWrapper)]
    if mixed:
        return _mixed(getattr(mixed[0], 'precision', 'fp16'))
    has_bf16 = bf16_hardware(get_device())
    return 'fp32' + f', without --amp (bf16{has_bf16})' * bool(has_bf16)


def _mixed(precision: Precision) -> str:
    mixed = f'{precision} in networks, fp32 in losses and probabilities'
    return precision if precision == 'fp32' else mixed


def _start(runner: Runner) -> str:
    if runner.iter:
        return f'resumes {runner._load_from or runner.work_dir}'
    if runner._load_from:
        return f'weights of {runner._load_from}'
    named = {
        f'{type(module).__name__}: {checkpoint}': None
        for module in runner.model.modules()
        if (checkpoint := _pretrained(module))
    }
    return 'pretrained ' + join_some([*named]) if named else 'random weights'


def _pretrained(module: nn.Module) -> str:
    config = getattr(module, 'init_cfg', None)
    configs = config if isinstance(config, list | tuple) else [config]
    found = [c.get('checkpoint') for c in configs if isinstance(c, dict)]
    return ', '.join(str(path) for path in found if path)


def _weights(runner: Runner) -> str:
    config = runner.cfg.get('model') or {}
    several = config.get('checkpoints') if isinstance(config, dict) else None
    paths = several or filter(None, [runner._load_from])
    return ', '.join(map(str, paths)) or 'those in memory'


def _amount(number: int) -> str:
    """Such as 43.2 M; of small numbers all digits."""
    return f'{number / 1e6:.1f} M' if number >= 1e5 else f'{number:,}'
