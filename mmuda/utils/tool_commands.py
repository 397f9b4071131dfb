# Copyright (c) mmuda authors.
"""The commands of ``mmuda``, and what to type for a tool where the user is.

Only the standard library is imported: ``mmuda --help`` reads this file without
the package, whose import takes seconds.
"""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

# Set by the command ``mmuda`` to how it was called, also for the tools that
# are started by the one that it runs.
PROGRAM = 'MMUDA_PROGRAM'
# What tools and configs a wheel of mmuda lacks are in, and what to type.
DEMO_PACKAGE = (
    'the package mmuda-demo, which is not installed; type in a clone of '
    'mmuda: pip install ./demo_wheel'
)
_PACKAGE = Path(__file__).resolve().parents[1]


class ToolCommand(NamedTuple):
    """A command of ``mmuda``.

    Attributes:
        tool: The file that it runs, below ``tools``.
        summary: What it is for, in a line.
    """

    tool: str
    summary: str


COMMANDS = {
    'train': ToolCommand('train.py', 'train a model'),
    'test': ToolCommand('test.py', 'test a model, or an ensemble of models'),
    'predict': ToolCommand(
        'predict.py', 'predict images, folders, videos or a camera'
    ),
    'self-train': ToolCommand(
        'self_train.py', 'train, label the target, train on the labels'
    ),
    'cotrain': ToolCommand('cotrain.py', 'run co-training as a whole'),
    'label': ToolCommand(
        'generate_pseudo_labels.py', 'write pseudo-labels of the target'
    ),
    'check': ToolCommand(
        'misc/check_data.py', 'check the data of a config before training'
    ),
    'browse': ToolCommand(
        'analysis_tools/browse_dataset.py',
        'show what training will see, as pictures and a page',
    ),
    'report': ToolCommand(
        'analysis_tools/report.py', 'write a page about a training'
    ),
    'stats': ToolCommand(
        'misc/class_statistics.py', 'count the pixels of each class'
    ),
    'select': ToolCommand(
        'analysis_tools/select_checkpoint.py',
        'rank checkpoints without labels of the target',
    ),
    'harm-report': ToolCommand(
        'analysis_tools/harm_report.py',
        'tell without labels whether adaptation has harmed',
    ),
    'translate': ToolCommand(
        'translate_lab.py', "give source images the target's colours"
    ),
    'export': ToolCommand(
        'model_converters/export.py',
        'write a network as an ONNX, TorchScript or torch.export file',
    ),
    'extract': ToolCommand(
        'model_converters/extract_segmentor.py',
        'take the segmentor out of a checkpoint, for stock mmseg',
    ),
    'print-config': ToolCommand(
        'misc/print_config.py', 'print a config with all its bases'
    ),
    'demo': ToolCommand('demo.py', 'compare methods on generated streets'),
    'streets': ToolCommand(
        'dataset_converters/make_street_scenes.py',
        'generate streets in the layouts of published data sets',
    ),
}


def tools_folder() -> Path:
    """Folder of the tools, of the repository or installed with the package."""
    packed = _PACKAGE / '.mim' / 'tools'
    # An editable installation links to those of the repository.
    return packed.resolve() if packed.is_dir() else _PACKAGE.parent / 'tools'


def tool_command(tool: str, *words: object) -> str:
    """What to type to run a tool, as the user has run the present one.

    Args:
        tool: The file, below ``tools``.
        *words: Its arguments, which are quoted where needed.

    Returns:
        ``mmuda test ...`` from that command and where mmuda is installed
        without the repository, else ``python tools/test.py ...``, with the
        path of the tools seen from the current folder.
    """
    folder = tools_folder()
    program = os.environ.get(PROGRAM)
    if program is None and folder.parent.name == '.mim':
        program = 'mmuda'
    name = next((n for n, c in COMMANDS.items() if c.tool == tool), None)
    if program is not None and name is not None:
        return f'{program} {_join(name, *words)}'
    return f'python {_join(_seen_from_here(folder / tool), *words)}'


def present_command() -> str:
    """The command line of this process, quoted where needed."""
    program = os.environ.get(PROGRAM)
    if program is not None and sys.argv[0].startswith(f'{program} '):
        return f'{sys.argv[0]} {_join(*sys.argv[1:])}'.rstrip()
    return _join(*sys.argv)


def _join(*words: object) -> str:
    texts = [*map(str, words)]
    if sys.platform == 'win32':
        return subprocess.list2cmdline(texts)
    return shlex.join(texts)


def _seen_from_here(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if here in path.parents else path
