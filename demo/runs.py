# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Making the demo's data; training and testing one method on it."""

import copy
import functools
import hashlib
import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import Runner

from demo.demo_labels import use_pseudo_labels
from mmuda.hooks import GracefulStopHook
from mmuda.procedures.self_training_rounds import SelfTrainingOptions
from mmuda.utils.cli import build_runner
from mmuda.utils.config import load_config
from mmuda.utils.config_data import override_data_roots
from mmuda.utils.errors import ConfigError
from mmuda.utils.files import atomic_write
from mmuda.utils.json_files import read_json
from mmuda.utils.resume import (
    checkpoints_by_iteration,
    find_resume_checkpoint,
)
from mmuda.utils.tool_commands import tool_command
from street_scenes import (
    write_cityscapes,
    write_gta5,
    write_idd,
)

RESULT = 'result.json'
_FOLDERS = {
    'source': 'GTA5',
    'target': 'Cityscapes',
    'cityscapes': 'Cityscapes',
    'idd': 'IDD',
}
_TESTED = ('Cityscapes', 'IDD')
_SEVERAL = 'demo_mtkt_g2ci_19.py'


@dataclass(frozen=True)
class DemoSettings:
    """What the demo does.

    Attributes:
        configs: Config of each method, by the name shown in the table.
        data: Folder of the street scenes.
        out: Folder of all results.
        source_images: Images of the source.
        target_images: Training images of the target.
        val_images: Validation images of the target.
        max_iters: Iterations of each method; None as in the configs.
    """

    configs: dict[str, Path]
    data: Path
    out: Path
    source_images: int
    target_images: int
    val_images: int
    max_iters: int | None = None


def make_data(settings: DemoSettings) -> None:
    """Write the street scenes; what is there already is kept."""
    print(write_gta5(settings.data / 'GTA5', settings.source_images))
    counts = {'train': settings.target_images, 'val': settings.val_images}
    print(write_cityscapes(settings.data / 'Cityscapes', counts))
    # the second target; half of it is enough
    counts = {split: count // 2 for split, count in counts.items()}
    print(write_idd(settings.data / 'IDD', counts))


def needed_methods(settings: DemoSettings, name: str) -> list[str]:
    """Methods whose labels or weights one starts with.

    Args:
        settings: What the demo does.
        name: Name of the method in ``settings.configs``.
    """
    cfg, stems = demo_config(settings, name), []
    if 'self_training' in cfg:
        stems.append(Path(SelfTrainingOptions.from_config(cfg).initial).stem)
    if cfg.load_from:
        stems.append(Path(cfg.load_from).parent.name)
    return [n for n, path in settings.configs.items() if path.stem in stems]


def method_folder(settings: DemoSettings, name: str) -> Path:
    """Folder of the results of a method.

    Args:
        settings: What the demo does.
        name: Name of the method in ``settings.configs``.
    """
    return settings.out / settings.configs[name].stem


def finished(settings: DemoSettings, name: str) -> dict | None:
    """Result of a method that an earlier run has finished.

    Args:
        settings: What the demo does.
        name: Name of the method in ``settings.configs``.

    Returns:
        As of :func:`run_method`; None if it is to be run, also because its
        config has changed, or one of a method that it needs.
    """
    result = _recorded(settings, name)
    if 'metrics' not in result:
        return None
    same = result.get('fingerprint') == _fingerprint(settings, name)
    return result if same else None


def _recorded(settings: DemoSettings, name: str) -> dict:
    """What is known of a method, whose config may have changed."""
    file = method_folder(settings, name) / RESULT
    if not file.exists():
        return {}
    return read_json(file, 'remove it', allow_nan=True)


def result_of(settings: DemoSettings, name: str) -> dict:
    """Result of a method that has to be finished.

    Args:
        settings: What the demo does.
        name: Name of the method in ``settings.configs``.

    Raises:
        ConfigError: It is not.
    """
    result = finished(settings, name)
    if result is None:
        command = tool_command('demo.py', '--method', name)
        raise ConfigError(
            f'{name} is not finished; first run {command} with the same '
            '--out, --data and --short, or all without --method'
        )
    return result


def _fingerprint(settings: DemoSettings, name: str) -> str:
    """Of the config of a method, and of those that it needs."""
    text = repr(demo_config(settings, name).to_dict())
    for other in needed_methods(settings, name):
        text += _fingerprint(settings, other)
    return hashlib.sha256(text.encode()).hexdigest()


def run_method(settings: DemoSettings, name: str) -> dict:
    """Train and test one method, or read the result of an earlier run.

    An interrupted training is continued, unless its config has changed.

    Args:
        settings: What the demo does.
        name: Name of the method in ``settings.configs``; those whose labels
            or weights it starts with are finished.

    Returns:
        ``metrics`` of the target's validation split, ``seconds`` of training
        (with those of earlier parts, except parts that were killed), the
        ``checkpoint`` and the ``work_dir``.

    Raises:
        KeyboardInterrupt: The training was stopped; it can be continued.
        ConfigError: A method that it needs is not finished.
    """
    done = finished(settings, name)
    if done is not None:
        print(f'done before, see {method_folder(settings, name)}')
        return done
    cfg = demo_config(settings, name)
    earlier = {
        settings.configs[other].stem: result_of(settings, other)
        for other in needed_methods(settings, name)
    }
    print(f'{cfg.train_cfg.max_iters} iterations', flush=True)
    record = _begun(settings, name)
    with _adding_seconds(record, Path(cfg.work_dir)):
        use_pseudo_labels(cfg, earlier)
    if cfg.load_from:
        initial = earlier[Path(cfg.load_from).parent.name]
        cfg.load_from = initial['checkpoint']
    result = _train_and_test(cfg, record)
    _write(result, Path(cfg.work_dir))
    return result


def _begun(settings: DemoSettings, name: str) -> dict:
    """Begin a training, or what is known of the one to continue.

    Checkpoints of another config are removed, not to be continued from.
    """
    folder = method_folder(settings, name)
    before = _recorded(settings, name)
    record = {'fingerprint': _fingerprint(settings, name), 'seconds': 0.0}
    if before.get('fingerprint') == record['fingerprint']:
        return before
    if before:
        for path in checkpoints_by_iteration(folder).values():
            path.unlink()
    _write(record, folder)
    return record


@contextmanager
def _adding_seconds(record: dict, folder: Path) -> Iterator[None]:
    """Add those of the block, which may be stopped, and write them."""
    start = time.perf_counter()
    try:
        yield
    finally:
        record['seconds'] += time.perf_counter() - start
        _write(record, folder)


def _write(record: dict, folder: Path) -> None:
    atomic_write(folder / RESULT, json.dumps(record, indent=2))


def demo_config(settings: DemoSettings, name: str) -> Config:
    """Config of one method with the demo's folders and length."""
    path = settings.configs[name]
    cfg = _loaded(path)
    cfg.work_dir = str(settings.out / path.stem)
    cfg.launcher = 'none'
    cfg.log_level = 'WARNING'
    _test_on_both_targets(cfg)
    names = cfg.train_dataloader.dataset.get('targets') or ['target']
    override_data_roots(
        cfg,
        {
            name: str(settings.data / _FOLDERS[name])
            for name in ('source', *names)
        },
    )
    for loader, folder in zip(cfg.test_dataloader, _TESTED, strict=True):
        loader.dataset.data_root = str(settings.data / folder)
    if settings.max_iters:
        cfg.train_cfg.max_iters = settings.max_iters
        cfg.train_cfg.val_interval = settings.max_iters
        if 'warmup_iters' in cfg.model:
            cfg.model.warmup_iters = settings.max_iters // 2
        if 'consistency' in cfg.default_hooks:
            hook = cfg.default_hooks.consistency
            hook.distillation_begin = settings.max_iters // 2
    for hook in cfg.custom_hooks:
        if hook.type == 'ProgressBarHook':
            hook.line_interval = max(1, cfg.train_cfg.max_iters // 10)
    return cfg


def _loaded(path: Path) -> Config:
    return copy.deepcopy(_read(path))


@functools.cache
def _read(path: Path) -> Config:
    return load_config(path)


def _test_on_both_targets(cfg: Config) -> None:
    """Test a method that adapts to one target on the second one, too."""
    if isinstance(cfg.test_dataloader, list):
        return
    several = _loaded(Path(cfg.filename).with_name(_SEVERAL))
    for key in ('test_dataloader', 'test_evaluator', 'test_cfg'):
        cfg[key] = several[key]


def _train_and_test(cfg: Config, record: dict) -> dict:
    """Add the results to what is known of a method."""
    checkpoint = find_resume_checkpoint(cfg.work_dir)
    if checkpoint is not None:
        cfg.resume, cfg.load_from = True, str(checkpoint)
    runner = build_runner(cfg)
    _log_to_file(runner)
    with _adding_seconds(record, Path(cfg.work_dir)):
        runner.train()
    for hook in runner.hooks:
        if isinstance(hook, GracefulStopHook) and hook.received_signal:
            raise KeyboardInterrupt
    metrics = runner.test()
    return {
        **record,
        'metrics': {key: float(value) for key, value in metrics.items()},
        'checkpoint': str(find_resume_checkpoint(cfg.work_dir)),
        'work_dir': cfg.work_dir,
    }


def _log_to_file(runner: Runner) -> None:
    # The terminal shows the progress bar alone.
    for handler in runner.logger.handlers:
        if isinstance(handler, logging.FileHandler):
            handler.setLevel(logging.INFO)
