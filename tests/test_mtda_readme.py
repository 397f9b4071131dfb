"""The recipe of configs/mtda/README.md works."""

import shutil

import pytest
from doc_pages import ROOT, blocks, examples

from mmuda.registry import DATASETS
from mmuda.utils.config import load_config
from street_scenes import write_cityscapes

PAGE = 'configs/mtda/README.md'
TARGETS = ['cityscapes', 'my_city']


@pytest.fixture(scope='module')
def checkout(tmp_path_factory):
    """Configs after what the page says about a data set of your own."""
    folder = tmp_path_factory.mktemp('checkout')
    shutil.copytree(ROOT / 'configs', folder / 'configs')
    path = folder / 'configs/_base_/settings/domains.py'
    (patch,) = blocks(PAGE, 'diff')
    text = path.read_text()
    for part in patch.split('\n ')[-2:]:
        table, *added = part.strip().splitlines()
        entry = '\n'.join([table, *(line[1:] for line in added)])
        text = text.replace(f'{table}\n', f'{entry}\n')
    path.write_text(text)
    own = examples()['configs/mtda/multi_dis_my_city.py']
    (folder / 'configs/mtda/multi_dis_my_city.py').write_text(own)
    return folder / 'configs' / 'mtda'


def test_a_data_set_of_your_own_is_three_lines():
    (patch,) = blocks(PAGE, 'diff')
    added = [line for line in patch.splitlines() if line[0] == '+']
    # between the lines that open and close the entry, and the setting
    assert len(added) - 3 == 3


@pytest.mark.parametrize('method', ['multi_dis', 'mtkt', 'warm_up', 'mlcl'])
def test_a_data_set_of_your_own_is_a_target_of_every_method(method, checkout):
    leaf = min(checkout.glob(f'{method}_*_g2c*.py'))
    cfg = load_config(leaf, {'setting': 'g2cy'})
    assert list(cfg.train_dataloader.dataset.targets) == TARGETS
    assert [metric.prefix for metric in cfg.val_evaluator] == TARGETS
    assert cfg.model.targets == TARGETS
    assert cfg.model.segmentor.get('targets', TARGETS) == TARGETS


def test_a_config_of_your_own_needs_no_change_of_the_tables(checkout):
    own = load_config(checkout / 'multi_dis_my_city.py')
    listed = load_config(
        checkout / 'multi_dis_deeplabv2-r101_g2cm.py', {'setting': 'g2cy'}
    )
    assert own.to_dict() == listed.to_dict()


def test_data_set_of_your_own_is_read(checkout, tmp_path):
    options = dict(size=(96, 48), workers=1, progress=False)
    write_cityscapes(tmp_path / 'city', dict(train=1), **options)
    cfg = load_config(
        checkout / 'warm_up_aspp-r101_g2cmi.py', {'setting': 'g2cy'}
    )
    config = cfg.train_dataloader.dataset.targets.my_city
    images = next((tmp_path / 'city/leftImg8bit/train').iterdir())
    images.rename(tmp_path / 'train')
    config.update(data_root=str(tmp_path), img_suffix='.png')
    assert DATASETS.build(config)[0]['inputs'].shape == (3, 160, 320)
