"""test.py --tta on configs that say nothing about it."""

import copy
import re

import demo_data
import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image
from several_target_tools import call, write_config, write_data
from small_leaves import LEAVES, load

from mmuda.apis import Segmenter
from mmuda.registry import DATASETS
from mmuda.utils.errors import ConfigError
from mmuda.utils.tta import use_test_time_augmentation

CONFIG = demo_data.ROOT / 'configs/demo/demo_advent_gta2cs.py'


def results(folder):
    log = sorted(folder.glob('*/*.log'))[-1].read_text()
    line = log.splitlines()[-1]
    found = re.findall(r'(\S+): ([\d.]+)  ', line.partition('Iter(test)')[2])
    return {k: v for k, v in found if '/' in k}


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp('trained')
    data = demo_data.write(folder / 'data', 2)
    options = demo_data.options(data, max_iters=2)
    call('train.py', [CONFIG, '--work-dir', folder], options)
    return folder, data


def evaluate(trained, work_dir, *words, config=CONFIG):
    folder, data = trained
    words = [config, folder / 'iter_2.pth', '--work-dir', work_dir, *words]
    call('test.py', words, demo_data.options(data))
    return results(work_dir)


def test_a_single_version_gives_the_plain_numbers(trained, tmp_path):
    config = tmp_path / 'identity.py'
    config.write_text(f"""
_base_ = '{CONFIG}'
_steps = _base_.demo_val_dataloader.dataset.pipeline
tta_pipeline = [
    _steps[0],
    dict(type='TestTimeAug', transforms=[[step] for step in _steps[1:]]),
]
""")
    plain = evaluate(trained, tmp_path / 'plain')
    assert evaluate(trained, tmp_path / 'a', '--tta', config=config) == plain
    assert 'cityscapes/mIoU' in plain
    assert 'cityscapes/entropy' in plain


def test_all_numbers_are_there_with_mirror_images(trained, tmp_path):
    plain = evaluate(trained, tmp_path / 'plain')
    both = evaluate(trained, tmp_path / 'both', '--tta')
    assert plain.keys() == both.keys()
    assert 'cityscapes/entropy' in both


def test_several_sizes_are_averaged(trained, tmp_path):
    plain = evaluate(trained, tmp_path / 'plain', '--tta')
    words = ('--tta-scales', '1')
    assert evaluate(trained, tmp_path / 'one', *words) == plain
    both = evaluate(trained, tmp_path / 'both', *words, '0.5')
    assert both.keys() == plain.keys()


def test_the_mean_over_sizes_is_that_of_their_probabilities(trained):
    folder, data = trained
    cfg = Config.fromfile(CONFIG)
    cfg.merge_from_dict(demo_data.options(data))
    file = str(folder / 'iter_2.pth')
    image = str(next(data.glob('Cityscapes/leftImg8bit/val/*/*.png')))

    def probabilities(scales):
        segmenter = Segmenter(copy.deepcopy(cfg), file, 'cpu', tta=scales)
        return segmenter.predict(image, outputs=['probabilities'])

    both, *single = (
        probabilities(scales).probabilities
        for scales in ([1, 0.5], [1], [0.5])
    )
    np.testing.assert_allclose(both, np.mean(single, axis=0), atol=2e-3)


def test_files_are_written_with_it(trained, tmp_path):
    words = ('--tta', '--out', tmp_path / 'out', '--show-dir', tmp_path / 'd')
    evaluate(trained, tmp_path / 'work', *words)
    for folder in ('out', 'd'):
        assert len(list((tmp_path / folder).rglob('*.png'))) == 2


@pytest.mark.slow
@pytest.mark.parametrize('protocol', ['native', 'published'])
def test_several_targets_by_their_own_heads(tmp_path, protocol):
    data = write_data(tmp_path / 'data')
    config = write_config(tmp_path, data)
    call('train.py', [config, '--work-dir', tmp_path])
    words = [config, tmp_path / 'iter_2.pth', '--work-dir', tmp_path / 'test']
    words += ['--tta', '--head', 'own', '--protocol', protocol]
    call('test.py', words)
    log = next((tmp_path / 'test').glob('*/*.log')).read_text()
    assert 'mean/mIoU' in log.splitlines()[-1]


@pytest.mark.parametrize('leaf', LEAVES[:: len(LEAVES) // 12])
def test_some_leaves_have_what_it_needs(leaf):
    require_mirror_images(leaf)


@pytest.mark.slow
@pytest.mark.parametrize('leaf', LEAVES)
def test_every_leaf_has_what_it_needs(leaf):
    require_mirror_images(leaf)


def require_mirror_images(leaf):
    source = copy.deepcopy(load(leaf))
    assert source.get('test_dataloader')
    keys = ('test_dataloader', 'model')
    cfg = Config({k: source[k] for k in keys}, filename=source.filename)
    use_test_time_augmentation(cfg)
    loaders = cfg.test_dataloader
    for loader in loaders if isinstance(loaders, list) else [loaders]:
        steps = loader.dataset.pipeline
        assert steps[-1].type == 'TestTimeAug'
        assert [step.prob for step in steps[-1].transforms[0]] == [0.0, 1.0]
    assert cfg.model.type == 'DomainTTAModel'


def test_padding_stays_where_it_is(tmp_path):
    """Both versions of an upright image are padded on the right."""
    folder = tmp_path / 'images'
    folder.mkdir()
    image = np.random.default_rng(0).integers(0, 256, (60, 30, 3), np.uint8)
    Image.fromarray(image).save(folder / 'a.png')
    cfg = copy.deepcopy(load('advent/advent_gta2mapillary.py'))
    source = cfg.test_dataloader.dataset
    steps = [s for s in source.pipeline if s.type != 'LoadLabels']
    dataset = dict(
        type='FolderDataset',
        data_root=str(tmp_path),
        data_prefix=dict(img_path='images'),
        img_suffix='.png',
        pipeline=steps,
        test_mode=True,
    )
    cfg = Config(dict(test_dataloader=dict(dataset=dataset), model={}))
    use_test_time_augmentation(cfg)
    item = DATASETS.build(cfg.test_dataloader.dataset)[0]
    first, second = item['inputs']
    meta = item['data_samples'][0].metainfo
    assert meta['padding_size'] == item['data_samples'][1].padding_size
    left, right, top, bottom = meta['padding_size']
    assert right > 0
    height, width = first.shape[1:]
    inner = (slice(None), slice(top, height - bottom))
    inner += (slice(left, width - right),)
    difference = first[inner].int() - second[inner].flip(2).int()
    # Resized after it was mirrored.
    assert difference.abs().max() <= 1


@pytest.mark.parametrize(
    'steps', [[], ['Resize', 'PackSegInputs'], ['LoadImage']]
)
def test_pipelines_without_a_place_for_it(steps):
    pipeline = [dict(type=step) for step in steps]
    loader = dict(dataset=dict(pipeline=pipeline))
    cfg = Config(dict(test_dataloader=loader, model={}))
    with pytest.raises(ConfigError, match='write tta_pipeline'):
        use_test_time_augmentation(cfg)
