# Copyright (c) mmuda authors.
"""Configs by the paths that they had before each had a name of its own.

An old path reads as it did: by the leaf that took its place, with the setting
of its name and the files that it named. Some newer leaves have a short path,
``mic/gta2cs.py`` of ``mic/mic_gta2cs.py``, which is read in the same way.
"""

import difflib
import errno
import os
import sys
from collections.abc import Iterator, Mapping
from functools import cache, wraps
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.config import config as config_module
from mmengine.config import utils as config_utils
from mmengine.hub import hub

_SEVERAL = (
    *('g2ci', 'g2cm', 'g2mi', 'g2cmi', 'c2mi', 'i2cm', 'm2ci'),
    *('g2ci_19', 'g2cm_19', 'g2mi_19', 'g2cmi_19'),
)
_WITH_WARM_UP = (*_SEVERAL, 'c2mi_19', 'g2cmbi_19')
_ONE = (
    *('g2c', 'g2m', 'g2i', 'g2c_19', 'g2m_19', 'g2i_19'),
    *('c2m', 'c2i', 'i2c', 'i2m', 'm2c', 'm2i'),
)
_ALONE = ('g2cmi', 'g2cmi_19', 'c2mi', 'i2cm', 'm2ci')
_CAMVID = ('carla2camvid',)
# Of configs/mtda by folder: method and network in the names of now, the leaf
# that settings without one of their own are given to, the settings that were
# there, and those of CARLA.
_METHODS = {
    'baseline': ('advent', 'deeplabv2', 'g2cmi', _SEVERAL, _CAMVID),
    'single': (
        *('advent', 'deeplabv2', 'g2cmi', _ONE),
        ('carla2day', 'carla2dusk'),
    ),
    'source_only': ('source_only', 'deeplabv2', 'g2cmi', _ALONE, _CAMVID),
    'multi_dis': ('multi_dis', 'deeplabv2', 'g2cmi', _SEVERAL, _CAMVID),
    'mtkt': ('mtkt', 'deeplabv2', 'g2cmi', _SEVERAL, _CAMVID),
    'ccl': ('ccl', 'deeplabv2', 'g2cmi_19', _SEVERAL, _CAMVID),
    'warm_up': ('warm_up', 'aspp', 'g2cmi', _WITH_WARM_UP, _CAMVID),
    'coast': ('coast', 'aspp', 'g2cmi_19', _SEVERAL, _CAMVID),
    'mlcl': ('mlcl', 'aspp', 'g2cmi', _WITH_WARM_UP, _CAMVID),
}
# Those that continue a warm-up.
_SECOND = ('coast', 'mlcl')
_COTRAINED = (
    *('gta2cs', 'synscapes2cs', 'synthia2cs', 'gta_synscapes2cs'),
    *('gta_synscapes2bdd', 'gta_synscapes2mapillary'),
    *('carla2camvid', 'demo'),
)


# Of DACS and what is built on it.
_MIXED = ('gta2cs', 'synthia2cs', 'cs2acdc', 'cs2darkzurich')


class _Move(NamedTuple):
    """Leaves that have moved; ``{}`` in texts is the setting.

    Attributes:
        old: Path below ``configs``, without ``.py``.
        new: The same of now.
        settings: That there were.
        default: Of the leaf that takes a setting without one of its own.
        says: What a leaf said of other files, by dotted key; of a checkpoint
            its folder.
    """

    old: str
    new: str
    settings: tuple[str, ...]
    default: str = ''
    says: Mapping[str, str] = {}


class Successor(NamedTuple):
    """What an old path stands for.

    Attributes:
        file: The config.
        setting: In place of the config's, unless it is None.
        says: What it says of other files, by dotted key; of a checkpoint its
            folder.
    """

    file: Path
    setting: str | None
    says: Mapping[str, str]

    def __str__(self) -> str:
        """As on a command line."""
        chosen = f' --setting {self.setting}' if self.setting else ''
        return f'{self.file}{chosen}'


def _moves() -> Iterator[_Move]:
    for folder, (method, network, default, several, carla) in _METHODS.items():
        old, new = f'mtda/{folder}/{{}}', f'mtda/{method}_{network}'
        says, says_carla = _warm_up(method), _warm_up(method, setting='{}')
        yield _Move(old, f'{new}-r101_{{}}', several, default, says)
        yield _Move(old, f'{new}-r18_{{}}', carla, *_CAMVID, says_carla)
    yield from _other_networks()
    yield from _cotraining()
    yield from _demo()
    for folder in ('dacs', 'daformer', 'hrda', 'mic'):
        names = f'{folder}/{{}}', f'{folder}/{folder}_{{}}'
        yield _Move(*names, _MIXED, 'gta2cs')


def _other_networks() -> Iterator[_Move]:
    for method in ('warm_up', 'mlcl'):
        old, new = f'mtda/{method}/{{}}', f'mtda/{method}_aspp'
        kind, name = '_vgg16', f'{new}-vgg16_{{}}'
        says = _warm_up(method, kind)
        yield _Move(f'{old}{kind}', name, ('g2ci',), says=says)
        kind, name = '_segformer_mit-b5', f'{new}-mit-b5_{{}}'
        says = _warm_up(method, kind)
        default = 'g2ci_960x480'
        yield _Move(f'{old}{kind}', name, ('g2ci_19',), default, says)
        says = _warm_up(method, kind, setting='{}')
        yield _Move(f'{old}{kind}', f'{name}_960x480', ('g2ci',), says=says)


def _warm_up(
    method: str, network: str = '', setting: str = '{setting}'
) -> dict[str, str]:
    """What the second stage says of the first."""
    if method not in _SECOND:
        return {}
    return {
        'self_training.initial': f'../warm_up/{{}}{network}.py',
        'load_from': f'work_dirs/warm_up/{setting}{network}',
    }


def _cotraining() -> Iterator[_Move]:
    roles = ('', 'baseline', 'final')
    networks = dict(_deeplabv2=('gta2cs',)) | {'': _COTRAINED}
    for name, settings in networks.items():
        says = {
            f'cotraining.{role}': f'{role}/{{}}{name}.py' for role in roles[1:]
        }
        for role in roles:
            parts = ('cotraining', role, name[1:], '{}')
            yield _Move(
                '/'.join(part for part in ('cotraining', role) if part)
                + f'/{{}}{name}',
                'cotraining/' + '_'.join(part for part in parts if part),
                settings,
                says={} if role else says,
            )


def _demo() -> Iterator[_Move]:
    initial = {'self_training.initial': './advent_{}.py'}
    for method in ('source_only', 'minent', 'advent', 'esl', 'ssl'):
        says = initial if method in ('esl', 'ssl') else {}
        names = f'demo/{method}_{{}}', f'demo/demo_{method}_{{}}'
        yield _Move(*names, ('gta2cs',), says=says)
    warm_up = {
        'self_training.initial': './warm_up_{}.py',
        'load_from': 'work_dirs/demo/warm_up_{setting}',
    }
    for method in (
        'baseline',
        'multi_dis',
        'mtkt',
        'ccl',
        'warm_up',
        *_SECOND,
    ):
        says = warm_up if method in _SECOND else {}
        new = f'demo/demo_{_METHODS[method][0]}_{{}}'
        settings = ('g2ci', 'g2cmi')
        yield _Move(f'demo/{method}_{{}}', new, settings, 'g2ci', says)
    source_only = {'load_from': 'work_dirs/demo/source_only_gta2cs'}
    names = 'demo/mtkt_{}', 'demo/demo_mtkt_{}'
    yield _Move(*names, ('g2ci_19',), says=source_only)


RENAMED = {
    move.old.replace('{}', setting): (move, setting)
    for move in _moves()
    for setting in move.settings
}


def successor(path: str | os.PathLike) -> Successor | None:
    """The leaf that took the place of a path.

    Args:
        path: Of a config, in whatever folder ``configs`` lies.

    Returns:
        None if the path is of a file, or was never one.
    """
    file = Path(os.path.normpath(os.path.expanduser(path)))
    if file.suffix != '.py' or file.is_file():
        return None
    parts = file.with_suffix('').parts
    for depth in (2, 3):
        found = RENAMED.get('/'.join(parts[-depth:]))
        if found is not None and len(parts) >= depth:
            root = Path(*parts[:-depth])
            return _leaf_below(root, *found)
    return None


def _leaf_below(root: Path, move: _Move, setting: str) -> Successor | None:
    says = {
        key: text.replace('{}', setting) for key, text in move.says.items()
    }
    for name, asked in ((setting, None), (move.default, setting)):
        file = root / f'{move.new.replace("{}", name)}.py'
        if file.is_file():
            return Successor(file, asked, says)
    return None


def near_names(path: str | os.PathLike) -> str:
    """Return `` (did you mean ...)``, for a config that there is not.

    Args:
        path: Of no file.
    """
    file = Path(os.path.normpath(os.path.expanduser(path)))
    roots = [root for root in file.parents if (root / '_base_').is_dir()]
    root = roots[0] if roots else file.parent
    leaves = root.rglob('*.py') if roots else root.glob('*.py')
    # A base is none of the configs that can be run.
    base = '_base_' in file.parts
    names = {
        str(leaf.relative_to(root)): str(leaf)
        for leaf in leaves
        if ('_base_' in leaf.parts) == base
    }
    for old, found in RENAMED.items() if roots and not base else ():
        leaf = _leaf_below(root, *found)
        if leaf is not None:
            names.setdefault(f'{old}.py', str(leaf))
    asked = str(file.relative_to(root))
    close = difflib.get_close_matches(asked, sorted(names), n=1)
    return f" (did you mean '{names[close[0]]}'?)" if close else ''


def follow_old_paths() -> None:
    """Let mmengine read configs by their old paths, also as ``_base_``."""
    read, is_lazy = Config._file2dict, Config._is_lazy_import

    @wraps(read)
    def file2dict(filename: str, *args: Any, **kwargs: Any) -> tuple:
        leaf = _found(filename)
        content, *others = read(
            str(leaf.file if leaf else filename), *args, **kwargs
        )
        if leaf is not None:
            _restore(content, leaf)
        return content, *others

    @wraps(is_lazy)
    def is_lazy_import(filename: str) -> bool:
        leaf = _found(filename)
        return is_lazy(str(leaf.file if leaf else filename))

    Config._file2dict = staticmethod(file2dict)
    Config._is_lazy_import = staticmethod(is_lazy_import)
    for module in (config_utils, config_module, hub):
        _follow_in_packages(vars(module))


def _follow_in_packages(names: dict[str, Any]) -> None:
    """Let ``mmuda::mtda/mlcl/g2ci.py`` be found, as those that are there."""
    locate = names['_get_external_cfg_base_path']

    @wraps(locate)
    def base_path(package_path: str, cfg_name: str) -> str:
        path = os.path.join(package_path, '.mim', 'configs', cfg_name)
        if successor(path) is not None:
            return path
        return locate(package_path, cfg_name)

    names['_get_external_cfg_base_path'] = base_path


def _found(path: str | os.PathLike) -> Successor | None:
    """The successor of an old path; None of a file.

    Raises:
        FileNotFoundError: There is neither.
    """
    leaf = successor(path)
    if leaf is not None:
        _tell(os.path.normpath(path), str(leaf))
    elif not os.path.isfile(os.path.expanduser(path)):
        reason = f'{os.strerror(errno.ENOENT)}{near_names(path)}'
        raise FileNotFoundError(errno.ENOENT, reason, str(path))
    return leaf


@cache
def _tell(old: str, new: str) -> None:
    """Say the new name, once."""
    if os.environ.get('RANK', '0') == '0':
        print(f'{old} is now {new}', file=sys.stderr, flush=True)


def _restore(content: dict, leaf: Successor) -> None:
    """Let a leaf say what the one of the old path said, in place."""
    if leaf.setting is not None:
        content['setting'] = leaf.setting
    for key, text in leaf.says.items():
        *parents, last = key.split('.')
        part = content
        for name in parents:
            part = part[name]
        if last == 'load_from':
            text = f'{text}/{Path(part[last]).name}'
        part[last] = text
