# Copyright (c) mmuda authors.
"""Files of a network as a graph: ONNX, TorchScript and ``torch.export``."""

import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from packaging.version import Version
from torch import Tensor

from mmuda.utils.errors import ConfigError

from .image_segmentor import ImageSegmentor, as_tuple

Metadata = Mapping[str, Any]
Runner = Callable[[Tensor], tuple[Tensor, ...]]

#: Name of the metadata in TorchScript and ``torch.export`` files.
METADATA_FILE = 'metadata.json'
INPUT = 'image'
OPSET = 18
# Of larger ones PyTorch writes the weights into a second file, whose name the
# first one holds.
_ONNX_BYTES = 1536 * 2**20
# 2.6 fails at batch norms and at sizes that are free.
_ONNX_TORCH = '2.7'
_AXES = {0: 'batch', 2: 'height', 3: 'width'}


@dataclass(frozen=True)
class Graph:
    """What is written.

    Attributes:
        module: From images to outputs.
        example: (2, 3, H, W) images.
        fixed: Whether H and W are the only size.
        opset: Of ONNX.
    """

    module: ImageSegmentor
    example: Tensor
    fixed: bool = False
    opset: int | None = None


@dataclass(frozen=True)
class GraphFormat:
    """A kind of file.

    Attributes:
        name: As people call it.
        option: Of the command line.
        suffix: Of its files.
        packages: Without which it is neither written nor checked.
        pools_any_size: Whether its operators have adaptive pooling.
        write: Writes a graph and its metadata.
        open: Makes a function of a file, from images to outputs.
        most_bytes: Of weights that one file holds; None is any number.
        first_torch: First PyTorch that writes it; None is any that mmuda has.
    """

    name: str
    option: str
    suffix: str
    packages: Sequence[str]
    pools_any_size: bool
    write: Callable[[Graph, Path, Metadata], None]
    open: Callable[[Path], Runner]
    most_bytes: int | None = None
    first_torch: str | None = None

    def require_packages(self) -> None:
        """Find what it needs.

        Raises:
            ConfigError: PyTorch is too old, or a package is missing; names
                all of them.
        """
        first, found = self.first_torch, torch.__version__
        if first is not None and Version(found) < Version(first):
            raise ConfigError(
                f'{self.option} needs PyTorch {first} or later, this is '
                f'{found}; update it, or take another format'
            )
        missing = [name for name in self.packages if find_spec(name) is None]
        if missing:
            raise ConfigError(
                f'{self.option} needs {", ".join(missing)}: '
                f'pip install {" ".join(missing)}'
            )


def program_of(graph: Graph) -> torch.export.ExportedProgram:
    """Let ``torch.export`` read a module for images of any size.

    Args:
        graph: With an example.
    """
    dynamic = torch.export.Dim.DYNAMIC
    axes = (0,) if graph.fixed else (0, 2, 3)
    with _few_words(), torch.no_grad():
        return torch.export.export(
            graph.module,
            (graph.example,),
            dynamic_shapes=(dict.fromkeys(axes, dynamic),),
        )


def _write_onnx(graph: Graph, temporary: Path, metadata: Metadata) -> None:
    with _few_words():
        program = torch.onnx.export(
            program_of(graph),
            input_names=[INPUT],
            output_names=list(graph.module.outputs),
            opset_version=graph.opset or OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None, 'it is, without a file'
    written = program.model.opset_imports['']
    if graph.opset not in (None, written):
        raise ConfigError(
            f'--opset {graph.opset}: PyTorch wrote {written} instead; leave '
            'it out'
        )
    _name_axes(program.model.graph)
    _forget_origins(program.model)
    for key, value in metadata.items():
        program.model.metadata_props[key] = json.dumps(value)
    program.save(temporary)


def _name_axes(graph: Any) -> None:
    """Give free axes of inputs and outputs the names of their meaning."""
    names = {
        str(graph.inputs[0].shape[axis]): name
        for axis, name in _AXES.items()
        if not isinstance(graph.inputs[0].shape[axis], int)
    }
    values = [*graph.inputs, *(out for node in graph for out in node.outputs)]
    for value in values:
        for axis, length in enumerate(value.shape or ()):
            if str(length) in names:
                value.shape[axis] = names[str(length)]


def _forget_origins(model: Any) -> None:
    """Leave out what PyTorch notes of each node; it has paths in it."""
    model.metadata_props.clear()
    for node in model.graph.all_nodes():
        node.metadata_props.clear()


def _open_onnx(path: Path) -> Runner:
    # Has neither types nor is needed by what is written in other formats.
    import onnxruntime  # type: ignore[import-untyped]

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(
        path, options, providers=['CPUExecutionProvider']
    )

    def run(image: Tensor) -> tuple[Tensor, ...]:
        found = session.run(None, {INPUT: image.cpu().numpy()})
        return tuple(map(torch.from_numpy, found))

    return run


def _write_torchscript(
    graph: Graph, temporary: Path, metadata: Metadata
) -> None:
    with _few_words(), torch.no_grad():
        script = torch.jit.trace(
            graph.module, graph.example, check_trace=False
        )
        files = {METADATA_FILE: json.dumps(metadata)}
        torch.jit.save(script, str(temporary), _extra_files=files)


def _open_torchscript(path: Path) -> Runner:
    with _few_words():
        script = torch.jit.load(str(path))
    # Its first calls would be compiled, for each size anew.
    script.eval()
    return lambda image: as_tuple(script(image))


def _write_program(graph: Graph, temporary: Path, metadata: Metadata) -> None:
    files = {METADATA_FILE: json.dumps(metadata)}
    with _few_words():
        torch.export.save(program_of(graph), temporary, extra_files=files)


def _open_program(path: Path) -> Runner:
    with _few_words():
        module = torch.export.load(path).module()
    return lambda image: as_tuple(module(image))


@contextmanager
def _few_words() -> Iterator[None]:
    """Keep what exporters say of their own work from the screen."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        logging.disable(level)


FORMATS: tuple[GraphFormat, ...] = (
    GraphFormat(
        'ONNX',
        '--onnx',
        '.onnx',
        ('onnx', 'onnxscript', 'onnxruntime'),
        False,
        _write_onnx,
        _open_onnx,
        _ONNX_BYTES,
        _ONNX_TORCH,
    ),
    GraphFormat(
        'TorchScript',
        '--torchscript',
        '.pt',
        (),
        True,
        _write_torchscript,
        _open_torchscript,
    ),
    GraphFormat(
        'torch.export',
        '--torch-export',
        '.pt2',
        (),
        True,
        _write_program,
        _open_program,
    ),
)


def format_of(path: Path, option: str | None) -> GraphFormat:
    """The format that an option or the suffix of a file names.

    Args:
        path: The file to write.
        option: Such as ``--onnx``; None goes by the suffix.

    Raises:
        ConfigError: The two do not fit, or the suffix is of none.
    """
    kinds = [kind for kind in FORMATS if option in (None, kind.option)]
    for kind in kinds:
        if kind.suffix == path.suffix:
            return kind
    known = ' or '.join(f'{k.suffix} ({k.option})' for k in kinds)
    named = f' with {option}' if option else ''
    raise ConfigError(f'--out {path}{named}: must end with {known}')
