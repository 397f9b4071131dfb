import shutil

import numpy as np
import pytest
from mmengine.config import Config
from toy_images import make_image, make_label

from mmuda.datasets import (
    DomainDataset,
    DomainIndex,
    PathListDataset,
    describe_domains,
)
from mmuda.datasets.pseudo_labels.pseudo_label_checks import unique_keys
from mmuda.pseudo_labels.labelling_options import dataset_to_label
from mmuda.registry import DATASETS
from mmuda.utils.config_data import (
    override_data_roots,
)
from mmuda.utils.errors import ConfigError, DataError

LOAD = [dict(type='LoadImage'), dict(type='LoadLabels')]
PACK = dict(type='PackDomainInputs')
IMAGES = ('day one/1.png', 'night/1.jpg', 'night/2.jpg')
SIZE = (4, 6)


@pytest.fixture
def root(tmp_path):
    """Three images, two with one base name; the n-th label is n."""
    for number, name in enumerate(IMAGES):
        make_image(tmp_path / 'images' / name, number, SIZE)
        ids = np.full(SIZE, number, np.uint8)
        make_label(tmp_path / f'gt/{number} id.png', ids)
    (tmp_path / 'images.txt').write_text(
        ''.join(f'images/{name}\n' for name in IMAGES)
    )
    (tmp_path / 'gt.txt').write_text('gt/0 id.png\ngt/1 id.png\ngt/2 id.png')
    return tmp_path


def build(root, labels='gt.txt', **options):
    return PathListDataset(
        str(root / 'images.txt'),
        labels and str(root / labels),
        **dict(pipeline=LOAD) | options,
    )


def infos(dataset):
    return [dataset.get_data_info(i) for i in range(len(dataset))]


def keys_of(dataset):
    return [info['key'] for info in infos(dataset)]


def test_lines_belong_together(root):
    values = [sample['gt_seg_map'].max() for sample in build(root)]
    assert values == [0, 1, 2]


def test_keys_are_paths_below_the_common_folder(root):
    assert keys_of(build(root)) == ['day one/1', 'night/1', 'night/2']


def test_images_of_one_folder_are_named_by_their_base(root):
    (root / 'images.txt').write_text('images/night/1.jpg\nimages/night/2.jpg')
    assert keys_of(build(root, labels=None)) == ['1', '2']


def test_samples_are_sorted_by_key_with_their_labels(root):
    lines = (root / 'images.txt').read_text().splitlines()
    (root / 'images.txt').write_text('\n'.join(reversed(lines)))
    dataset = build(root)
    assert keys_of(dataset) == ['day one/1', 'night/1', 'night/2']
    assert dataset[0]['gt_seg_map'].max() == 2


def test_blank_lines_comments_and_line_ends_of_windows(root):
    text = (root / 'images.txt').read_text().replace('\n', '\r\n')
    (root / 'images.txt').write_bytes(
        b'\xef\xbb\xbf# all\r\n\r\n  ' + text.encode() + b'\r\n  # end'
    )
    assert len(build(root)) == 3


def test_absolute_paths(root, tmp_path_factory):
    lines = (root / 'images.txt').read_text().splitlines()
    elsewhere = tmp_path_factory.mktemp('lists') / 'images.txt'
    elsewhere.write_text('\n'.join(str(root / line) for line in lines))
    assert len(PathListDataset(str(elsewhere))) == 3


def test_paths_are_relative_to_the_data_root(root, tmp_path_factory):
    moved = tmp_path_factory.mktemp('moved')
    for name in ('images', 'gt'):
        shutil.move(root / name, moved / name)
    dataset = build(root, data_root=str(moved))
    path = infos(dataset)[0]['img_path']
    assert path == str(moved / 'images/day one/1.png')


def test_lists_below_the_data_root(root):
    dataset = PathListDataset('images.txt', 'gt.txt', data_root=str(root))
    assert len(dataset) == 3


def test_lists_below_the_working_directory(root, monkeypatch):
    (root / 'lists').mkdir()
    for name in ('images.txt', 'gt.txt'):
        shutil.move(root / name, root / 'lists' / name)
    monkeypatch.chdir(root)
    dataset = PathListDataset(
        'lists/images.txt', 'lists/gt.txt', data_root=f'{root}/.'
    )
    assert len(dataset) == 3


def test_same_label_of_two_images(root):
    (root / 'gt.txt').write_text('gt/0 id.png\ngt/1 id.png\ngt/1 id.png')
    assert build(root)[2]['gt_seg_map'].max() == 1


def test_table_of_the_published_encoding(root):
    """Void is 19 in the lists of the co-training procedure."""
    make_label(root / 'gt/0 id.png', np.full(SIZE, 19, np.uint8))
    table = [*range(19), 255]
    assert build(root, label_table=table)[0]['gt_seg_map'].min() == 255


def test_classes_of_your_own(root):
    dataset = build(root, label_set=None, metainfo=dict(classes=['a', 'b']))
    assert dataset.metainfo['classes'] == ('a', 'b')
    assert dataset.num_classes == 2


def test_ann_file_chooses_keys(root):
    (root / 'keys.txt').write_text('night/2\nday one/1\n')
    dataset = build(root, ann_file=str(root / 'keys.txt'))
    assert keys_of(dataset) == ['day one/1', 'night/2']
    assert [sample['gt_seg_map'].max() for sample in dataset] == [0, 2]


def test_include_and_exclude_choose_keys(root):
    dataset = build(root, include=['night/*'], exclude=['night/1'])
    assert keys_of(dataset) == ['night/2']


def test_exclude_takes_patterns_of_listed_images(root):
    assert keys_of(build(root, exclude=['night/*'])) == ['day one/1']


def test_files_that_are_not_chosen_may_be_missing(root):
    (root / 'images/night/1.jpg').unlink()
    assert len(build(root, exclude=['night/1'])) == 2


# As a domain


def test_target_without_labels(root):
    config = dict(
        type='PathListDataset',
        image_list=str(root / 'images.txt'),
        pipeline=[LOAD[0], PACK],
    )
    item = DomainDataset(target=config)[DomainIndex((1,), 0)]
    assert item['data_samples']['target'].key == 'night/1'


def test_source_with_labels(root):
    config = dict(
        type='PathListDataset',
        image_list=str(root / 'images.txt'),
        label_list=str(root / 'gt.txt'),
        pipeline=[*LOAD, PACK],
    )
    item = DomainDataset(source=config)[DomainIndex((2,), 0)]
    label = item['data_samples']['source'].gt_sem_seg.data
    assert label.unique().tolist() == [2]


def test_data_root_of_the_command_line(root):
    target = dict(type='PathListDataset', image_list='images.txt')
    loader = dict(dataset=dict(type='DomainDataset', target=target))
    cfg = Config(dict(train_dataloader=loader))
    override_data_roots(cfg, dict(target=root))
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    assert dataset.sizes == (3,)


def test_images_to_label(root):
    config = dict(type='PathListDataset', image_list=str(root / 'images.txt'))
    loader = dict(dataset=dict(target=config))
    cfg = Config(dict(train_dataloader=loader))
    chosen = DATASETS.build(dataset_to_label(cfg, [LOAD[0]]))
    assert [sample['key'] for sample in chosen] == keys_of(chosen)
    assert chosen[0]['img'].shape == (*SIZE, 3)


def test_description(root):
    lines = describe_domains(build(root))
    assert lines[0].startswith('PathListDataset: 3 images')
    assert lines[0].endswith('classes: road, sidewalk, building')


def test_keys_of_pseudo_labels(root):
    keys = unique_keys([build(root, labels=None)])
    assert keys == ['day one/1', 'night/1', 'night/2']


def test_labels_for_measuring(root):
    """As set by ``pseudo_labels.ground_truth``."""
    prefix = dict(seg_map_path='gt.txt')
    dataset = build(root, labels=None, data_prefix=prefix, data_root=str(root))
    assert dataset[1]['gt_seg_map'].max() == 1


def test_translated_images(root):
    prefix = dict(img_path='translated')
    shutil.copytree(root / 'images', root / 'translated')
    dataset = build(root, data_prefix=prefix, data_root=str(root))
    assert keys_of(dataset) == ['day one/1', 'night/1', 'night/2']
    path = infos(dataset)[1]['img_path']
    assert path == str(root / 'translated/night/1.jpg')


def test_labels_that_a_child_config_switches_off(root):
    dataset = build(root, data_prefix=dict(seg_map_path=None), pipeline=[])
    assert 'seg_map_path' not in infos(dataset)[0]


def test_lists_are_read_late(root):
    (root / 'gt.txt').unlink()
    dataset = build(root, lazy_init=True)
    with pytest.raises(DataError, match='gt.txt'):
        dataset.full_init()


@pytest.mark.parametrize('path', ['', None])
def test_no_list(path):
    with pytest.raises(ConfigError, match='image_list must be the path'):
        PathListDataset(path)
