# Copyright (c) mmuda authors.
"""From a config and a checkpoint to a file that needs neither."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from torch import Tensor

from mmuda.utils.checks import COUNT
from mmuda.utils.checksums import sha256_of
from mmuda.utils.compat import local_checkpoint
from mmuda.utils.devices import device_of
from mmuda.utils.errors import CheckpointError, ConfigError, MMUDAError
from mmuda.utils.files import atomic_path
from mmuda.utils.output_files import require_outputs
from mmuda.version import __version__

from .graph_files import INPUT, Graph, GraphFormat
from .graph_layers import fixed_by, make_graph_friendly
from .image_segmentor import OUTPUTS, ImageSegmentor, Output, as_tuple
from .parity import (
    Answer,
    Comparison,
    Size,
    ask,
    compare,
    compared_images,
    is_finite,
    require_equal,
    street_like_images,
)
from .trained_segmentor import TrainedSegmentor, file_name, load_segmentor

_SIZE = (512, 1024)
_SHAPES = dict(
    logits=['batch', 'classes', 'height', 'width'],
    probabilities=['batch', 'classes', 'height', 'width'],
    labels=['batch', 'height', 'width'],
)


@dataclass(frozen=True)
class ExportOptions:
    """How a file is written.

    Attributes:
        outputs: What it computes.
        size: Height and width of the images that it is traced and compared
            on; by default those that the config tests on.
        fixed: Whether it takes no others.
        opset: Of ONNX.
        device: The device that it is traced on, which TorchScript and
            ``torch.export`` then need.
        check: Whether it is compared with PyTorch.
    """

    outputs: Sequence[Output] = ('logits',)
    size: Size | None = None
    fixed: bool = False
    opset: int | None = None
    device: str = 'cpu'
    check: bool = True


@dataclass(frozen=True)
class Exported:
    """What has been written.

    Attributes:
        metadata: As the file has it.
        comparison: With PyTorch, if there was one.
    """

    metadata: dict[str, Any]
    comparison: Comparison | None


def _nothing(_: str) -> None:
    """Tell nobody."""


def export_segmentor(
    cfg: Config,
    checkpoint: str,
    out: Path,
    kind: GraphFormat,
    options: ExportOptions,
    say: Callable[[str], None] = _nothing,
) -> Exported:
    """Write the network that a config predicts with as one file.

    Args:
        cfg: Of a method or of a plain segmentor.
        checkpoint: Of its training.
        out: The file; it is left as it was if anything fails.
        kind: Its format.
        options: How.
        say: Is told what begins, as each step may take minutes.

    Raises:
        ConfigError: The network can't be written so, an option is wrong, the
            file can't be written or is an input, or a package is missing.
        CheckpointError: The checkpoint does not fit, the network gives
            numbers that are not finite, or the file computes something else
            than PyTorch.
    """
    kind.require_packages()
    _check_options(kind, options)
    device = device_of(options.device)
    _check_files(cfg, checkpoint, out)
    trained = load_segmentor(cfg, checkpoint)
    _require_one_file(trained, kind)
    if not options.fixed:
        _require_any_size(trained, kind)
    size = options.size or _size_of(trained)
    parts = trained.network, trained.normalisation
    module = ImageSegmentor(*parts, options.outputs).to(device).eval()
    if options.check:
        say(f'Running the network by PyTorch, images of {size[1]}x{size[0]}')
    expected = _expected(module, size, options, device)
    _require_finite(expected, checkpoint)
    make_graph_friendly(module)
    example = street_like_images(2, size).to(device)
    graph = Graph(module, example, options.fixed, options.opset)
    metadata = metadata_of(trained, cfg, checkpoint, graph)
    say(f'Translating the network to {kind.name}')
    with atomic_path(out) as temporary:
        _write(kind, graph, temporary, metadata)
        comparison = None
        if expected:
            say('Comparing the file with PyTorch')
            images = [answer.image for answer in expected]
            found = ask(kind.open(temporary), images)
            comparison = compare(expected, found, options.outputs)
            require_equal(comparison, str(out))
    return Exported(metadata, comparison)


def metadata_of(
    trained: TrainedSegmentor, cfg: Config, checkpoint: str, graph: Graph
) -> dict[str, Any]:
    """What a file says of itself, values that JSON can hold.

    Args:
        trained: The network.
        cfg: Its config.
        checkpoint: Where its weights come from.
        graph: What is written.
    """
    normalisation, tested = trained.normalisation, trained.tested
    window = trained.window and dict(
        crop_size=trained.window[0], stride=trained.window[1]
    )
    return dict(
        classes=trained.classes,
        palette=trained.palette,
        input=dict(
            name=INPUT,
            dtype='float32',
            shape=['batch', 3, *_sides(graph)],
            channels='RGB',
            range=[0, 255],
            tested_size=tested and tested.size,
            keep_ratio=tested is not None and tested.keep_ratio,
            turns_upright=tested is not None and tested.turns_upright,
        ),
        normalization=dict(
            mean=normalisation.mean,
            std=normalisation.std,
            channels='RGB',
            done_by='the file',
        ),
        outputs={name: _SHAPES[name] for name in graph.module.outputs},
        sliding_window=window,
        network=dict(
            name=trained.name or 'segmentor',
            head=getattr(trained.network, 'predict_head', 'decode'),
            config=Path(cfg.filename or '').name,
        ),
        checkpoint=dict(
            file=file_name(checkpoint),
            sha256=sha256_of(local_checkpoint(checkpoint)),
        ),
        mmuda_version=__version__,
    )


def _sides(graph: Graph) -> list[int | str]:
    if graph.fixed:
        return [*graph.example.shape[2:]]
    return ['height', 'width']


def _size_of(trained: TrainedSegmentor) -> Size:
    if trained.window is not None:
        return trained.window[0]
    return trained.tested.size if trained.tested else _SIZE


def _check_options(kind: GraphFormat, options: ExportOptions) -> None:
    unknown = [name for name in options.outputs if name not in OUTPUTS]
    if unknown or not options.outputs:
        raise ConfigError(f'--output {unknown}: choose of {list(OUTPUTS)}')
    if len({*options.outputs}) < len(options.outputs):
        raise ConfigError(f'--output {[*options.outputs]} names one twice')
    for side in options.size or ():
        COUNT.require(side, '--size')
    if options.opset is not None and kind.option != '--onnx':
        raise ConfigError(
            f'--opset {options.opset}: {kind.name} has none; leave it out'
        )


def _check_files(cfg: Config, checkpoint: str, out: Path) -> None:
    inputs = [checkpoint, *filter(None, [cfg.filename])]
    require_outputs({'--out': out}, inputs)


def _require_one_file(trained: TrainedSegmentor, kind: GraphFormat) -> None:
    state = trained.network.state_dict().values()
    count = sum(tensor.numel() * tensor.element_size() for tensor in state)
    if kind.most_bytes is not None and count > kind.most_bytes:
        raise ConfigError(
            f'{kind.option}: {count / 2**20:,.0f} MiB of weights, but one '
            f'file holds {kind.most_bytes / 2**20:,.0f} MiB at most; take '
            '--torchscript or --torch-export'
        )


def _require_finite(expected: Sequence[Answer], checkpoint: str) -> None:
    if not all(is_finite(answer.outputs) for answer in expected):
        raise CheckpointError(
            f'{checkpoint}: the network gives numbers that are not finite, '
            'with which no file can be compared; export another checkpoint'
        )


def _require_any_size(trained: TrainedSegmentor, kind: GraphFormat) -> None:
    reason = fixed_by(trained.network, kind.pools_any_size)
    if reason is not None:
        raise ConfigError(
            f'{kind.option}: {reason}, which a graph can hold for one size '
            'only; add --fixed-size, and --size HEIGHT WIDTH of the images'
        )


def _expected(
    module: ImageSegmentor,
    size: Size,
    options: ExportOptions,
    device: torch.device,
) -> list[Answer]:
    if not options.check:
        return []

    def run(image: Tensor) -> tuple[Tensor, ...]:
        return as_tuple(module(image))

    images = compared_images(size, options.fixed)
    return ask(run, [image.to(device) for image in images])


def _write(
    kind: GraphFormat, graph: Graph, path: Path, metadata: dict[str, Any]
) -> None:
    try:
        kind.write(graph, path, metadata)
    except (MMUDAError, OSError, MemoryError):
        raise
    # Whatever exporters raise, of which there are many kinds.
    except Exception as error:
        network = graph.module.network
        parts = (network.backbone, network.decode_head)
        names = ' with '.join(type(part).__name__ for part in parts)
        others = '' if graph.fixed else ' --fixed-size, or'
        reason = ' '.join(str(error).split())[:300]
        raise ConfigError(
            f'{kind.option}: PyTorch {torch.__version__} does not export '
            f'{names} ({type(error).__name__}: {reason}); try{others} '
            'another format'
        ) from error
