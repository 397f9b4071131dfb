# Copyright (c) mmuda authors.
"""What a config is trained and tested on, by the name of a setting."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from mmengine.config import Config
from mmengine.config.config import DELETE_KEY

from mmuda.utils.config_model import fill_model, fill_terms, merged
from mmuda.utils.errors import ConfigError
from mmuda.utils.names import LABELLED_TARGET, TARGET, UNSEEN
from mmuda.utils.setting_data import (
    data_of,
    data_set_of,
    exception_of,
    pipeline_of,
    sources_of,
)
from mmuda.utils.setting_tables import (
    FOLLOWING,
    TABLES,
    check_names,
    check_tables,
    entry_of,
)
from mmuda.utils.tool_commands import tool_command

# In the name of a file it stands for that of the setting.
NAME = '{setting}'


def choose_setting(
    cfg: Config, asked: str | None = None, instead_of: str | None = None
) -> None:
    """Fill in data, evaluation and classes of ``cfg.setting``, in place.

    And options of terms that depend on the domains.

    A setting is one of the table ``settings``, ``g2cmi`` for one, or one with
    a variant of the ``protocol`` behind it, ``g2cmi_19``. What a config says
    itself of its data loaders and evaluators is kept, and the tables are left
    out afterwards, as is what only helps to write them (``_crop``).

    Args:
        cfg: A config with the tables of ``configs/_base_/settings``; any
            other is left as it is.
        asked: The setting, if a user has asked for another one than the
            config's.
        instead_of: The config's, which its class ratios were counted for;
            None to take them as they are.

    Raises:
        ConfigError: The setting, its variant or one of its domains is in
            none of the tables, the config has data or class ratios of its
            own that would be mixed with what the setting asked for has, a
            table has a key that nothing reads, a domain lacks what it is used
            for, the config has no tables to choose from, or it says itself
            what only a setting can.
    """
    for key in TABLES:
        # None takes out what a base has.
        if not isinstance(cfg.get(key), Mapping | None):
            raise ConfigError(f'{key}={cfg[key]!r}: must be a dict')
    if not all(cfg.get(key) is not None for key in TABLES):
        if asked is not None:
            raise ConfigError(
                f'setting={asked!r}: this config has no settings to choose '
                'from; take one of configs/, or that which it was made of'
            )
        return
    name = cfg.get('setting')
    if not isinstance(name, str):
        raise ConfigError(
            f'setting={name!r}: give one of {", ".join(cfg.settings)}'
        )
    check_tables(cfg)
    setting, protocol = _look_up(cfg, name)
    _refuse_own(cfg, name, setting, protocol)
    chosen = data_of(cfg, setting, protocol)
    chosen |= _options(cfg, setting, protocol)
    own = {key: cfg[key] for key in chosen if key in cfg}
    if asked is not None:
        _refuse_mixed(own.get('train_dataloader'), asked)
        _refuse_ratios(cfg, instead_of, asked)
    _refuse_one_for_several(own, chosen, name)
    for key, value in merged(own, chosen).items():
        cfg[key] = value
    _evaluate_nothing(cfg)
    _name_unseen(cfg, setting, protocol)
    _fill_pseudo_labels(cfg, setting, protocol)
    if isinstance(cfg.get('val_dataloader'), list):
        _evaluate_several(cfg)
    model, weights = cfg.get('model'), setting.get('class_weight')
    fill_model(model, protocol['num_classes'], setting['targets'], weights)
    fill_terms(model, setting.get('terms', {}))
    _leave_out_tables(cfg)


def _leave_out_tables(cfg: Config) -> None:
    # What begins so helps a file to write its tables.
    helpers = [key for key in cfg if key.startswith('_')]
    for key in (*TABLES, 'target_images', *helpers):
        cfg.pop(key, None)


def name_files(cfg: Config) -> None:
    """Put the setting's name for ``{setting}`` in names of files, in place.

    They are ``load_from`` and those of class ratios.

    Args:
        cfg: A whole config; without a setting it is left as it is.
    """
    name = cfg.get('setting')
    if not isinstance(name, str):
        return
    for part, key in [(cfg, 'load_from'), *_ratios_of(cfg)]:
        if isinstance(part.get(key), str):
            part[key] = part[key].replace(NAME, name)


def _refuse_ratios(cfg: Config, own: str | None, asked: str) -> None:
    """Refuse class ratios of other sources or classes than those asked for.

    Those in files with ``{setting}`` in their names are of the other one.
    """
    if own is None or _counted(cfg, own) == _counted(cfg, asked):
        return
    for part, key in _ratios_of(cfg):
        if isinstance(part[key], str) and NAME in part[key]:
            continue
        given = repr(part[key]) if isinstance(part[key], str) else 'a list'
        raise ConfigError(
            f'setting={asked!r}: {key}={given} holds the class ratios of '
            f"setting {own!r}; say {key}='data/class_ratios/{NAME}.json', "
            f'written by {tool_command("misc/class_statistics.py", "CONFIG")} '
            f'--setting {asked} --ratios data/class_ratios/{asked}.json'
        )


def _counted(cfg: Config, name: str) -> tuple:
    """What class ratios of a setting are counted in."""
    setting, protocol = _look_up(cfg, name)
    sources = sources_of(setting)
    labels = [
        exception_of(protocol, source).get(
            'label_set', protocol.get('label_set')
        )
        for source in sources
    ]
    return sources, labels, protocol['num_classes']


def _ratios_of(cfg: Config) -> Iterator[tuple[dict, str]]:
    """Parts of a model that hold class ratios, and the key that has them."""
    model = cfg.get('model')
    model = model if isinstance(model, Mapping) else {}
    terms = model.get('terms')
    terms = terms if isinstance(terms, list | tuple) else []
    for part in [*terms, model.get('class_ratio_prior')]:
        if isinstance(part, dict) and 'ratio' in part:
            yield part, 'ratio'


def _refuse_own(
    cfg: Config, name: str, setting: Mapping, protocol: Mapping
) -> None:
    """They are there to be looked at: a change would have no effect."""
    for key, part in zip(FOLLOWING, (setting, protocol), strict=True):
        if key in cfg and cfg[key] != part[key]:
            place = 'settings' if key == 'targets' else 'protocol'
            raise ConfigError(
                f'{key}={cfg[key]!r}: setting {name!r} has {part[key]!r}; say '
                f'it there, in {place}, or choose another setting'
            )


def _evaluate_nothing(cfg: Config) -> None:
    """Without a target that is validated there is no loop either."""
    for event in ('val', 'test'):
        if cfg.get(f'{event}_dataloader') is None:
            for part in ('dataloader', 'evaluator', 'cfg'):
                cfg[f'{event}_{part}'] = None


def _refuse_mixed(loader: Any, asked: str) -> None:
    """Refuse another setting where a config says itself what the data are."""
    data = loader.get('dataset') if isinstance(loader, Mapping) else None
    parts = dict(data) if isinstance(data, Mapping) else {}
    targets = parts.pop('targets', None)
    if isinstance(targets, Mapping):
        parts |= {f'targets.{key}': part for key, part in targets.items()}
    for key, part in parts.items():
        given = {'type', 'data_root'}.intersection(
            part if isinstance(part, Mapping) else ()
        )
        if given:
            raise ConfigError(
                f'setting={asked!r}: the config has data of its own, '
                f'train_dataloader.dataset.{key}.{min(given)}; write them as '
                'an entry of `domains` to choose among settings'
            )


def _refuse_one_for_several(own: Mapping, chosen: Mapping, name: str) -> None:
    """Refuse a data loader or metric of one target where there are several."""
    for key, part in chosen.items():
        given = own.get(key)
        if not isinstance(part, list) or not isinstance(given, Mapping):
            continue
        if not given.get(DELETE_KEY):
            raise ConfigError(
                f'setting={name!r}: {key} of the config is that of one '
                'target, and the setting needs a list of one for each; leave '
                'it out, or choose a setting with one target'
            )


def _options(
    cfg: Config, setting: Mapping, protocol: Mapping
) -> dict[str, Any]:
    """What a protocol says beside its data.

    Pseudo-labels are measured only by labels that all targets say to have.
    """
    chosen = copy.deepcopy(dict(protocol.get('config', {})))
    labels = chosen.get('pseudo_labels') or {}
    folder = labels.get('ground_truth')
    splits = [cfg.domains[name].get('train') for name in setting['targets']]
    found = {(split or {}).get('seg_map_path') for split in splits}
    if folder is not None and found != {folder}:
        labels['ground_truth'] = None
    return chosen


def _fill_pseudo_labels(
    cfg: Config, setting: Mapping, protocol: Mapping
) -> None:
    """Label images as the network sees them, where a config does not say."""
    labels = cfg.get('pseudo_labels')
    if not isinstance(labels, dict) or 'pipeline' in labels:
        return
    shown = [
        pipeline_of(protocol, name, 'images_pipeline', 'images')
        for name in setting['targets']
    ]
    if all(pipeline == shown[0] for pipeline in shown):
        labels['pipeline'] = copy.deepcopy(shown[0])


def _name_unseen(cfg: Config, setting: Mapping, protocol: Mapping) -> None:
    """Name images of targets that training does not see, and no others."""
    # That of a base may be of another setting.
    cfg.pop(UNSEEN, None)
    targets = setting['targets']
    known = any(
        'images_pipeline' in part
        for name in targets
        for part in (protocol, exception_of(protocol, name))
    )
    if cfg.get('target_images', 'images') is None and known:
        alone = protocol.get('one_target') and len(targets) == 1
        cfg[UNSEEN] = {
            TARGET if alone else name: data_set_of(
                protocol, cfg.domains, name, 'images'
            )
            for name in targets
        }


def _evaluate_several(cfg: Config) -> None:
    """A schedule of one target serves several."""
    for event in ('Val', 'Test'):
        loop = cfg.get(f'{event.lower()}_cfg')
        if isinstance(loop, dict) and loop.get('type') == f'{event}Loop':
            loop['type'] = f'MultiTarget{event}Loop'


def _look_up(cfg: Config, name: str) -> tuple[Mapping, Mapping]:
    """A setting and the variant of the protocol that it is shown in."""
    pair, _, variant = name.rpartition('_')
    if not pair or name in cfg.settings:
        pair, variant = name, ''
    place = f'setting={name!r}'
    setting = entry_of(cfg.settings, pair, 'settings', place)
    check_names(setting, pair)
    few = sources_of(setting, LABELLED_TARGET)
    for domain in (*sources_of(setting), *setting['targets'], *few):
        entry_of(cfg.domains, domain, 'domains', f'settings.{pair}')
    if not variant:
        variant = setting.get('protocol', 'default')
        place = f'settings.{pair}.protocol={variant!r}'
    return setting, entry_of(cfg.protocol, variant, 'protocol', place)
