"""Configs that look at the whole of their base, and replace parts of it."""

import pytest
from demo_data import ROOT
from mmengine.config import Config

from mmuda.utils.config import load_config
from mmuda.utils.errors import ConfigError

CONFIGS = ROOT / 'configs'
LEAVES = ['advent/gta2cs', 'esl/ssl_gta2cs', 'mtda/mtkt_deeplabv2-r101_g2cmi']


def write(folder, base, text='', name='own'):
    path = folder / f'{name}.py'
    path.write_text(f"_base_ = '{base}'\n{text}\n")
    return path


@pytest.mark.parametrize('leaf', LEAVES)
@pytest.mark.parametrize('setting', [None, 'i2cm', 'i2c'])
def test_a_config_of_a_config_is_that_config(tmp_path, leaf, setting):
    base = CONFIGS / f'{leaf}.py'
    own = write(tmp_path, write(tmp_path, base, name='first'))
    options = dict(setting=setting) if setting else {}
    # As the one that took the setting of its own file.
    expected = load_config(base, options).to_dict()
    assert load_config(own, options).to_dict() == expected
    if setting:
        chosen = write(tmp_path, base, f'setting = {setting!r}')
        assert load_config(chosen).to_dict() == expected


def test_a_config_looks_at_all_of_its_base(tmp_path):
    text = """
seen = [
    _base_.model.segmentor.decode_head.num_classes,
    _base_.train_dataloader.dataset.target.type,
    _base_.val_evaluator.prefix,
    _base_.test_pipeline[1].scale,
]
"""
    path = write(tmp_path, CONFIGS / 'advent/gta2cs.py', text)
    expected = [19, 'CityscapesLabelIdsDataset', 'cityscapes', (1024, 512)]
    assert load_config(path, check=False).seen == expected
    assert Config.fromfile(path).seen == expected


def test_what_replaces_a_part_keeps_what_it_took_of_it(tmp_path):
    text = """
_train = _base_.train_dataloader.dataset
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='DomainDataset',
        source=_train.source,
        targets=dict(rome=dict(_train.target, data_root='data/Rome')),
    )
)
"""
    first = write(tmp_path, CONFIGS / 'advent/gta2cs.py', text, 'first')
    plain = load_config(CONFIGS / 'advent/gta2cs.py')
    for path in (first, write(tmp_path, first, "setting = 'synthia2cs'")):
        data = load_config(path, check=False).train_dataloader.dataset
        assert list(data) == ['type', 'source', 'targets']
        assert data.source == plain.train_dataloader.dataset.source
        target = dict(plain.train_dataloader.dataset.target)
        assert data.targets.rome == target | dict(data_root='data/Rome')


@pytest.mark.parametrize('key', ['model', 'train_dataloader.dataset.source'])
def test_nothing_comes_back_into_what_was_replaced(tmp_path, key):
    first, *others = key.split('.')
    value = "dict(_delete_=True, type='Mine')"
    for name in reversed(others):
        value = f'dict({name}={value})'
    path = write(
        tmp_path, CONFIGS / 'advent/gta2cs.py', f'{first} = {value}', 'first'
    )
    path = write(tmp_path, path, 'randomness = dict(seed=1)')
    cfg = load_config(path, check=False)
    for name in key.split('.'):
        cfg = cfg[name]
    assert cfg == dict(type='Mine')


def test_a_change_of_one_value_lets_the_others_follow_the_setting(tmp_path):
    """The source of another setting is not shown as that of the first."""
    text = "train_dataloader = dict(dataset=dict(source=dict(data_root='d')))"
    first = write(tmp_path, CONFIGS / 'advent/gta2cs.py', text, 'first')
    own = write(tmp_path, first, "setting = 'synthia2cs'")
    source = load_config(own).train_dataloader.dataset.source
    expected = load_config(
        CONFIGS / 'advent/gta2cs.py', {'setting': 'synthia2cs'}
    ).train_dataloader.dataset.source
    assert source == dict(expected) | dict(data_root='d')


def test_marks_of_replacing_are_gone_everywhere(tmp_path):
    base = tmp_path / 'base.py'
    base.write_text('a = dict(b=dict(c=1), d=[dict(e=2)])')
    text = 'a = dict(b=dict(_delete_=True, f=2), d=[dict(_delete_=True, g=3)])'
    cfg = Config.fromfile(write(tmp_path, base, text))
    assert cfg.a.to_dict() == dict(b=dict(f=2), d=[dict(g=3)])
    cfg.merge_from_dict({'a.b': dict(_delete_=True, h=4)})
    assert cfg.a.b.to_dict() == dict(h=4)


def test_what_a_base_lacks_is_named_where_it_is_looked_at(tmp_path):
    text = "settings = dict(gta2cs=dict(target=['idd']))"
    base = write(tmp_path, CONFIGS / 'advent/gta2cs.py', text, 'base')
    own = write(
        tmp_path, base, 'root = _base_.train_dataloader.dataset.source'
    )
    match = r"own.py:2: .*'source'; its base is not whole: .*gta2cs\.target"
    with pytest.raises(ConfigError, match=match):
        load_config(own)
