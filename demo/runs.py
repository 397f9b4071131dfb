# Copyright (c) mmuda authors.
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

from mmuda.hooks import GracefulStopHook
from mmuda.utils.cli import build_runner
from mmuda.utils.config import load_config
from mmuda.utils.config_data import override_data_roots
from mmuda.utils.errors import ConfigError
from mmuda.utils.files import atomic_write
from mmuda.utils.installed_files import installed_file
from mmuda.utils.json_files import read_json
from mmuda.utils.mixed_precision import (
    AUTO,
    Choice,
    choose_precision,
    enable_amp,
)
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
_BOTH = 'streets_both'


@dataclass(frozen=True)
class DemoSettings:
    """What the demo does.

    Attributes:
        configs: Config of each method, by the name shown in the table; those
            that take longest stand last.
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


@functools.cache
def precision() -> Choice:
    """In which precision methods are trained here, and why."""
    return choose_precision(AUTO)


def require_weights(settings: DemoSettings) -> None:
    """Find the weights that the networks start with.

    Args:
        settings: What the demo does.

    Raises:
        CheckpointError: The package that has them is not installed; it says
            how to install it.
    """
    for path in settings.configs.values():
        installed_file(
            _read(path).model.segmentor.backbone.init_cfg.checkpoint
        )


def needed_methods(settings: DemoSettings, name: str) -> list[str]:
    """Methods whose weights one starts with.

    Args:
        settings: What the demo does.
        name: Name of the method in ``settings.configs``.
    """
    start = demo_config(settings, name).load_from
    stem = Path(start).parent.name if start else None
    return [n for n, path in settings.configs.items() if path.stem == stem]


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
        name: Name of the method in ``settings.configs``; that whose weights
            it starts with is finished.

    Returns:
        ``metrics`` of the validation splits of both targets, ``seconds`` of
        training (with those of earlier parts, except parts that were killed),
        ``iterations`` of what it starts from and of its own, the
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
    iterations = [cfg.train_cfg.max_iters]
    for other in needed_methods(settings, name):
        earlier = result_of(settings, other)
        cfg.load_from = earlier['checkpoint']
        iterations = earlier['iterations'] + iterations
    print(f'{cfg.train_cfg.max_iters} iterations', flush=True)
    result = _train_and_test(cfg, _begun(settings, name))
    result['iterations'] = iterations
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
    cfg = copy.deepcopy(_read(path))
    cfg.work_dir = str(settings.out / path.stem)
    cfg.launcher = 'none'
    cfg.log_level = 'WARNING'
    enable_amp(cfg, precision().precision)
    _test_on_both_targets(cfg, path)
    # It would be the test on the first target once more.
    cfg.val_dataloader = cfg.val_evaluator = cfg.val_cfg = None
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
    for hook in cfg.custom_hooks:
        if hook.type == 'ProgressBarHook':
            hook.line_interval = max(1, cfg.train_cfg.max_iters // 10)
    return cfg


@functools.cache
def _read(path: Path, setting: str | None = None) -> Config:
    return load_config(path, setting and {'setting': setting})


def _test_on_both_targets(cfg: Config, path: Path) -> None:
    """Test a method that adapts to one target on the second one, too."""
    if isinstance(cfg.test_dataloader, list):
        return
    variant = cfg.setting.rpartition('_')[2]
    both = copy.deepcopy(_read(path, f'{_BOTH}_{variant}'))
    for key in ('test_dataloader', 'test_evaluator', 'test_cfg'):
        cfg[key] = both[key]


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
