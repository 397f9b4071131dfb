"""configs/mtda/README.md tells of all configs, and its recipe works."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from doc_pages import ROOT, blocks, examples, text_of
from mmengine.config import Config
from mtda_leaves import LEAVES, build

from mmuda.registry import DATASETS
from mmuda.utils.config_keys import check_config_keys
from street_scenes import write_cityscapes

PAGE = 'configs/mtda/README.md'
ONE_TARGET = ('multi_dis', 'ccl', 'mtkt', 'warm_up', 'coast', 'mlcl')
TARGETS = ['cityscapes', 'mapillary', 'idd', 'my_city']


@pytest.fixture(scope='module')
def checkout(tmp_path_factory):
    """Configs after what the page says about a data set of your own."""
    folder = tmp_path_factory.mktemp('checkout')
    shutil.copytree(ROOT / 'configs', folder / 'configs')
    domains = folder / 'configs/_base_/datasets/domains.py'
    (patch,) = blocks(PAGE, 'diff')
    added = [line[1:] for line in patch.splitlines() if line[0] == '+']
    entry = '\n'.join(['domains = dict(', *added])
    domains.write_text(domains.read_text().replace('domains = dict(', entry))
    script = next(code for code in blocks(PAGE, 'bash') if 'sed' in code)
    subprocess.run(['bash', '-ec', script], cwd=folder, check=True)
    return folder / 'configs' / 'mtda'


def links():
    found = re.findall(r'\[([^][]*)\]\((\w+/[\w-]+\.py)\)', text_of(PAGE))
    return {path: text for text, path in found}


def test_every_leaf_is_in_the_readme():
    assert set(links()) == set(LEAVES)


def test_every_leaf_is_in_the_metafile():
    path = ROOT / 'configs/mtda/metafile.yml'
    models = yaml.safe_load(path.read_text())['Models']
    listed = [model['Config'] for model in models]
    assert sorted(listed) == [f'configs/mtda/{leaf}' for leaf in LEAVES]
    assert len({model['Name'] for model in models}) == len(models)


@pytest.mark.parametrize('leaf', LEAVES)
def test_published_numbers_of_the_config_are_in_the_readme(leaf):
    comment = (ROOT / 'configs/mtda' / leaf).read_text().replace('\n# ', ' ')
    numbers = re.findall(r'\d\d\.\d+', comment.partition('_base_')[0])
    line = next(t for t in text_of(PAGE).splitlines() if f'({leaf})' in t)
    text = links()[leaf]
    text = line if text == Path(leaf).stem else text
    assert re.findall(r'\d\d\.\d+', text) == numbers


def test_a_data_set_of_your_own_is_three_lines():
    (patch,) = blocks(PAGE, 'diff')
    added = [line for line in patch.splitlines() if line[0] == '+']
    # between the lines that open and close the entry
    assert len(added) - 2 == 3


@pytest.mark.parametrize('method', ['warm_up', 'mlcl'])
def test_recipe_for_a_data_set_of_your_own(method, checkout):
    cfg = Config.fromfile(checkout / method / 'g2cmi_my_city.py')
    check_config_keys(cfg)
    assert list(cfg.train_dataloader.dataset.targets) == TARGETS
    assert [metric.prefix for metric in cfg.val_evaluator] == TARGETS
    assert cfg.model.targets == cfg.model.segmentor.targets == TARGETS


def test_recipe_continues_its_own_warm_up(checkout):
    cfg = Config.fromfile(checkout / 'mlcl' / 'g2cmi_my_city.py')
    folder = 'work_dirs/warm_up/g2cmi_my_city'
    assert cfg.load_from == f'{folder}/iter_60000.pth'
    assert cfg.self_training.initial == '../warm_up/g2cmi_my_city.py'


def test_data_set_of_your_own_is_read(checkout, tmp_path):
    options = dict(size=(96, 48), workers=1, progress=False)
    write_cityscapes(tmp_path / 'city', dict(train=1), **options)
    cfg = Config.fromfile(checkout / 'warm_up' / 'g2cmi_my_city.py')
    config = cfg.train_dataloader.dataset.targets.my_city
    images = next((tmp_path / 'city/leftImg8bit/train').iterdir())
    images.rename(tmp_path / 'train')
    config.update(data_root=str(tmp_path), img_suffix='.png')
    assert DATASETS.build(config)[0]['inputs'].shape == (3, 160, 320)


# One target


@pytest.fixture(scope='module')
def one_target(tmp_path_factory):
    """Configs of one target, as the page tells to write them."""
    folder = tmp_path_factory.mktemp('one') / 'configs'
    shutil.copytree(ROOT / 'configs', folder)
    one_head = examples()['configs/mtda/multi_dis/g2i.py']
    stage_1 = examples()['configs/mtda/mlcl/g2i.py']
    heads = ''.join(stage_1.splitlines(keepends=True)[:-2])
    model = 'segmentor=dict(targets=targets)'
    (weights,) = re.findall(r'`(divergence_weights=.*?)`', text_of(PAGE))
    codes = dict(
        multi_dis=one_head,
        ccl=one_head,
        mtkt=heads.replace(model, f'{model}, {weights}'),
        warm_up=heads,
        coast=stage_1,
        mlcl=stage_1,
    )
    assert tuple(codes) == ONE_TARGET
    for method, code in codes.items():
        (folder / 'mtda' / method / 'g2i.py').write_text(code)
    return folder / 'mtda'


@pytest.mark.parametrize('method', ONE_TARGET)
def test_data_of_one_target(method, one_target):
    cfg = Config.fromfile(one_target / method / 'g2i.py')
    check_config_keys(cfg)
    before = Config.fromfile(one_target / method / 'g2ci.py')
    targets = cfg.train_dataloader.dataset.targets
    assert list(targets) == ['idd']
    assert targets.idd == before.train_dataloader.dataset.targets.idd
    for name in ('val_dataloader', 'test_dataloader'):
        (loader,) = cfg[name]
        assert loader == before[name][1]
    for name in ('val_evaluator', 'test_evaluator'):
        assert [metric.prefix for metric in cfg[name]] == ['idd']


@pytest.mark.parametrize('method', ONE_TARGET)
def test_model_of_one_target(method, one_target):
    model, wrappers = build(one_target / method / 'g2i.py')
    assert list(model.targets) == ['idd']
    assert 'segmentor' in wrappers


def test_divergence_of_one_target(one_target):
    cfg = Config.fromfile(one_target / 'mtkt' / 'g2i.py')
    weights = dict(cfg.model.divergence_weights)
    assert weights == pytest.approx(dict(decode=1 / 7, aux=0.1 / 7))


@pytest.mark.parametrize('method', ['coast', 'mlcl'])
def test_warm_up_of_one_target(method, one_target):
    cfg = Config.fromfile(one_target / method / 'g2i.py')
    initial = (one_target / method / cfg.self_training.initial).resolve()
    assert initial == one_target / 'warm_up' / 'g2i.py'
    assert cfg.load_from == 'work_dirs/warm_up/g2i/iter_60000.pth'
    assert cfg.self_training.label_online is True
