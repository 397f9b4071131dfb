"""Configs by the paths that they had in earlier versions."""

import copy
import shutil

import pytest
from demo_data import ROOT
from mmengine.config import Config
from mmengine.hub import get_config
from mtda_leaves import load

from mmuda.utils.config import default_work_dir, load_config
from mmuda.utils.errors import ConfigError
from mmuda.utils.renamed_configs import RENAMED, successor

CONFIGS = ROOT / 'configs'
WARM_UP = dict(
    self_training=dict(initial='../warm_up/c2mi.py'),
    load_from='work_dirs/warm_up/c2mi/iter_60000.pth',
)
# What stands for a path: a name of now and what it says of other files.
CASES = {
    'mtda/mtkt/c2mi': ('mtkt_deeplabv2-r101_c2mi', {}),
    'mtda/baseline/g2cmi': ('advent_deeplabv2-r101_g2cmi', {}),
    'mtda/single/m2i': ('advent_deeplabv2-r101_m2i', {}),
    'mtda/ccl/g2ci': ('ccl_deeplabv2-r101_g2ci', {}),
    'mtda/ccl/carla2camvid': ('ccl_deeplabv2-r18_carla2camvid', {}),
    'mtda/coast/c2mi': ('coast_aspp-r101_c2mi', WARM_UP),
    'mtda/mlcl/c2mi': ('mlcl_aspp-r101_c2mi', WARM_UP),
    'mtda/mlcl/g2ci_vgg16': (
        'mlcl_aspp-vgg16_g2ci',
        dict(
            self_training=dict(initial='../warm_up/g2ci_vgg16.py'),
            load_from='work_dirs/warm_up/g2ci_vgg16/iter_60000.pth',
        ),
    ),
    'mtda/warm_up/g2ci_19_segformer_mit-b5': (
        *('warm_up_aspp-mit-b5_g2ci_19', {}),
    ),
}


def path_of(old):
    return CONFIGS / f'{old}.py'


@pytest.mark.parametrize('old', CASES)
def test_it_reads_as_it_did(old):
    name, says = CASES[old]
    expected = copy.deepcopy(load(name))
    expected.merge_from_dict(copy.deepcopy(says))
    assert Config.fromfile(path_of(old)).to_dict() == expected.to_dict()
    folder, stem = old.split('/')[1:]
    assert default_work_dir(path_of(old)) == f'work_dirs/{folder}/{stem}'


def test_every_one_has_a_successor():
    gone = [old for old in RENAMED if successor(path_of(old)) is None]
    assert (gone, len(RENAMED)) == ([], 177)


@pytest.mark.parametrize(
    ('old', 'says'),
    [
        ('demo/esl_gta2cs', {'self_training.initial': './advent_gta2cs.py'}),
        (
            'demo/mlcl_g2cmi',
            {
                'self_training.initial': './warm_up_g2cmi.py',
                'load_from': 'work_dirs/demo/warm_up_g2cmi/iter_200.pth',
            },
        ),
        (
            'cotraining/gta2cs_deeplabv2',
            {
                'cotraining.baseline': 'baseline/gta2cs_deeplabv2.py',
                'cotraining.final': 'final/gta2cs_deeplabv2.py',
            },
        ),
        ('cotraining/final/gta2cs', {}),
    ],
)
def test_it_names_the_files_that_it_named(old, says):
    expected = Config.fromfile(successor(path_of(old)).file)
    expected.merge_from_dict(says)
    found = load_config(path_of(old), check=False)
    assert found.to_dict() == expected.to_dict()
    for key, text in says.items():
        if key != 'load_from':
            assert successor(path_of(old).parent / text) is not None


@pytest.mark.parametrize(
    ('path', 'leaf', 'setting'),
    [
        ('mic/cs2acdc', 'mic/mic_cs2acdc', None),
        ('hrda/gta2cs', 'hrda/hrda_gta2cs', None),
        ('dacs/cs2darkzurich', 'dacs/dacs_gta2cs', 'cs2darkzurich'),
    ],
)
def test_short_paths_are_read(path, leaf, setting):
    expected = {} if setting is None else {'setting': setting}
    assert (
        load_config(path_of(path)).to_dict()
        == load_config(path_of(leaf), expected).to_dict()
    )
    assert default_work_dir(path_of(path)) == f'work_dirs/{path}'


def test_another_setting_can_be_asked_for():
    cfg = load_config(path_of('mtda/coast/g2cmi'), {'setting': 'c2i_19'})
    assert cfg.setting == 'c2i_19'
    assert cfg.load_from == 'work_dirs/warm_up/c2i_19/iter_60000.pth'
    folder = default_work_dir(path_of('mtda/mlcl/g2ci_vgg16'), 'c2i')
    assert folder == 'work_dirs/mlcl/c2i_vgg16'


def test_it_is_a_base(tmp_path):
    shutil.copytree(CONFIGS, tmp_path / 'configs')
    own = tmp_path / 'configs/mtda/mlcl/own.py'
    own.parent.mkdir(exist_ok=True)
    own.write_text("_base_ = './c2mi.py'\nlog_level = 'ERROR'\n")
    cfg = load_config(own)
    cfg.log_level = 'INFO'
    expected = load_config(path_of('mtda/mlcl/c2mi'))
    assert cfg.to_dict() == expected.to_dict()


def test_it_is_found_in_the_package(tmp_path):
    name = 'mmuda::mtda/mtkt/c2mi.py'
    expected = load('mtkt_deeplabv2-r101_c2mi').to_dict()
    assert get_config(name).to_dict() == expected
    own = tmp_path / 'own.py'
    own.write_text(f'_base_ = {name!r}\n')
    assert Config.fromfile(own).model.targets == ['mapillary', 'idd']


def test_the_new_name_is_said_once(tmp_path, capfd):
    shutil.copytree(CONFIGS, tmp_path / 'configs')
    old = tmp_path / 'configs/mtda/mtkt/c2mi.py'
    for _ in range(2):
        load_config(old)
    new = tmp_path / 'configs/mtda/mtkt_deeplabv2-r101_g2cmi.py'
    line = f'{old} is now {new} --setting c2mi\n'
    assert capfd.readouterr().err == line


@pytest.mark.parametrize(
    ('path', 'close'),
    [
        ('mtda/mtkt/g2cmx.py', 'mtda/mtkt_deeplabv2-r101_g2cm.py'),
        ('advent/gta2c.py', 'advent/gta2cs.py'),
        ('mtda/mtkt_deeplab-r101_g2cm.py', 'mtda/mtkt_deeplabv2-r101_g2cm.py'),
    ],
)
def test_what_never_was_is_refused_with_a_near_name(path, close):
    with pytest.raises(ConfigError, match='no such config file') as caught:
        load_config(CONFIGS / path)
    assert f"did you mean '{CONFIGS / close}" in str(caught.value)
    with pytest.raises(FileNotFoundError, match='did you mean'):
        Config.fromfile(CONFIGS / path)


def test_a_path_outside_of_configs_is_refused(tmp_path):
    path = tmp_path / 'mtda/mtkt/c2mi.py'
    with pytest.raises(ConfigError, match='no such config file$'):
        load_config(path)


@pytest.mark.parametrize(
    ('old', 'near'),
    [
        ('models/deeplabv2_r101', 'networks/deeplabv2_r101'),
        ('models/mtkt_r101', 'methods/mtkt'),
        ('datasets/mtaf/g2ci', 'settings/mtaf'),
    ],
)
def test_a_base_of_earlier_versions_is_told_one_of_now(tmp_path, old, near):
    path = tmp_path / 'own.py'
    path.write_text(f"_base_ = '{CONFIGS}/_base_/{old}.py'\n")
    match = f"did you mean '.*/_base_/{near}.py'"
    with pytest.raises(ConfigError, match=match):
        load_config(path)
