"""YAML is read as data, and pickles are not read."""

import os
import pickle

import mmengine
import pytest

from mmuda.utils.config import load_config
from mmuda.utils.errors import ConfigError, DataError
from mmuda.utils.files import install_safe_file_reading

TAGS = {
    'apply': '!!python/object/apply:os.mkdir [{}]',
    'new': '!!python/object/new:os.mkdir [{}]',
    'name': '!!python/name:os.mkdir',
    'module': '!!python/module:os',
    'object': '!!python/object:pathlib.Path {{}}',
}


@pytest.mark.parametrize('tag', TAGS)
@pytest.mark.parametrize('suffix', ['.yaml', '.yml'])
def test_code_in_a_yaml_base_is_refused(tmp_path, tag, suffix):
    made = tmp_path / 'made'
    base = tmp_path / f'base{suffix}'
    base.write_text(f'a: {TAGS[tag].format(made)}\n')
    config = tmp_path / 'config.py'
    config.write_text(f"_base_ = './base{suffix}'\n")
    with pytest.raises(ConfigError, match='config.py: .*could run code'):
        load_config(config)
    assert not made.exists()


@pytest.mark.parametrize('suffix', ['.yaml', '.yml', '.json', '.txt', ''])
def test_only_python_files_are_configs(tmp_path, suffix):
    made, config = tmp_path / 'made', tmp_path / f'config{suffix}'
    config.write_text(f'a: {TAGS["apply"].format(made)}\n')
    with pytest.raises(ConfigError, match='is a Python file'):
        load_config(config)
    assert not made.exists()


def test_data_in_a_yaml_base_is_read(tmp_path):
    (tmp_path / 'base.yaml').write_text(
        'a: 1\nb: [x, 2.5, null]\nc: !!python/tuple [1, 2]\nd: {e: true}\n'
    )
    config = tmp_path / 'config.py'
    config.write_text("_base_ = './base.yaml'\na = 2\n")
    cfg = load_config(config)
    assert cfg.to_dict() == dict(
        a=2, b=['x', 2.5, None], c=(1, 2), d=dict(e=True)
    )


@pytest.mark.parametrize('suffix', ['.pkl', '.pickle'])
def test_pickles_are_not_read(tmp_path, suffix):
    class Payload:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / 'made'),)

    install_safe_file_reading()
    path = tmp_path / f'data{suffix}'
    path.write_bytes(pickle.dumps(Payload()))
    with pytest.raises(DataError, match='refused, because a pickle could'):
        mmengine.load(path)
    assert not (tmp_path / 'made').exists()


@pytest.mark.parametrize(
    ('name', 'content', 'message'),
    [
        ('base.yaml', '', 'base.yaml: it holds no values by name'),
        ('base.json', '5', 'base.json: it holds no values by name'),
        ('base.yaml', 'a:\n\t- b', 'base.yaml: ScannerError'),
        ('base.json', '{"a"', 'base.json: JSONDecodeError'),
        ('base.json', '{"a": 1, "b": {"c": 1, "c": 2}}', "'c' occurs twice"),
        ('base.yaml', 'a: 1\nb: {c: 1, c: 2}', "c' occurs twice"),
        ('base.yaml', 'a: &a [*a]', 'it stands for more than 1000000 values'),
    ],
)
def test_fault_of_a_base_is_named_by_its_file(
    tmp_path, name, content, message
):
    (tmp_path / name).write_text(content)
    config = tmp_path / 'config.py'
    config.write_text(f"_base_ = './{name}'\n")
    with pytest.raises(ConfigError) as error:
        load_config(config)
    assert message in str(error.value)
    assert str(error.value).startswith(str(tmp_path))


def test_aliases_that_stand_for_too_much(tmp_path):
    lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
    for n in range(7):
        aliases = ', '.join([f'*a{n}'] * 10)
        lines.append(f'a{n + 1}: &a{n + 1} [{aliases}]')
    (tmp_path / 'base.yaml').write_text('\n'.join(lines))
    config = tmp_path / 'config.py'
    config.write_text("_base_ = './base.yaml'\n")
    with pytest.raises(ConfigError, match='stands for more than 1000000'):
        load_config(config)
