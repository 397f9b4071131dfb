import numpy as np
import pytest
from PIL import Image
from toy_images import keys_of, make_image, make_label

from mmuda.datasets import BDD100KDataset, SynscapesDataset
from mmuda.utils.errors import DataError
from street_scenes import (
    render_label_ids,
    render_scene,
    write_bdd100k,
    write_synscapes,
)

SMALL = {'size': (90, 45), 'progress': False}
CITYSCAPES_19 = {
    7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9,
    23: 10, 24: 11, 25: 12, 26: 13, 27: 14, 28: 15, 31: 16, 32: 17, 33: 18,
}  # fmt: skip


def synscapes(root, folder='rgb', **options):
    prefix = dict(img_path=f'img/{folder}', seg_map_path='img/class')
    load = dict(type='LoadLabels', **options)
    return SynscapesDataset(
        data_root=str(root),
        data_prefix=prefix,
        pipeline=[dict(type='LoadImage'), load],
    )


def test_every_id(tmp_path):
    ids = np.array([[*range(34), 255]], np.uint8)
    make_image(tmp_path / 'img/rgb/1.png', size=ids.shape)
    make_label(tmp_path / 'img/class/1.png', ids)
    loaded = synscapes(tmp_path)[0]['gt_seg_map'][0]
    expected = [CITYSCAPES_19.get(i, 255) for i in [*range(34), 255]]
    assert loaded.tolist() == expected


@pytest.mark.parametrize('wrong', [34, 100, 254])
def test_impossible_id(tmp_path, wrong):
    ids = np.full((8, 12), wrong, np.uint8)
    make_image(tmp_path / 'img/rgb/1.png')
    make_label(tmp_path / 'img/class/1.png', ids)
    with pytest.raises(DataError, match=str(wrong)):
        _ = synscapes(tmp_path)[0]


def test_terrain_is_nature_as_in_cityscapes():
    dataset = SynscapesDataset(
        data_prefix={'img_path': 'images'},
        label_set='seven_class',
        lazy_init=True,
    )
    assert dataset.label_lut[22] == 3


# Generated


@pytest.fixture(scope='module')
def toy(tmp_path_factory):
    root = tmp_path_factory.mktemp('toy')
    write_synscapes(root / 'S', 2, **SMALL)
    write_bdd100k(root / 'B', {'train': 2, 'val': 2}, **SMALL)
    return root


def test_files_of_synscapes(toy):
    root = toy / 'S'
    names = {str(path.relative_to(root)) for path in root.glob('*/*/*')}
    assert names == {
        f'img/{folder}/{number}.png'
        for folder in ('class', 'rgb', 'rgb-2k')
        for number in (1, 2)
    }


def test_labels_of_synscapes(toy):
    image, train_ids = render_scene('synscapes', 0, 1, SMALL['size'])
    sample = synscapes(toy / 'S')[1]
    np.testing.assert_array_equal(sample['img'][..., ::-1], image)
    np.testing.assert_array_equal(sample['gt_seg_map'], train_ids)


def test_larger_images_of_synscapes(toy):
    with Image.open(toy / 'S/img/rgb-2k/1.png') as image:
        assert image.size == (128, 64)  # as 2048x1024 to 1440x720
    with Image.open(toy / 'S/img/class/1.png') as label:
        assert label.size == (90, 45)


def test_larger_images_need_resized_labels(toy):
    with pytest.raises(DataError, match='resize_mismatch=True'):
        _ = synscapes(toy / 'S', 'rgb-2k')[0]
    sample = synscapes(toy / 'S', 'rgb-2k', resize_mismatch=True)[0]
    assert sample['gt_seg_map'].shape == (64, 128)


def test_second_run_touches_nothing(toy):
    report = write_synscapes(toy / 'S', 2, **SMALL)
    assert (report.written, report.reused) == (0, 2)


def test_labels_of_bdd100k(toy):
    dataset = BDD100KDataset(
        data_root=str(toy / 'B'),
        data_prefix=dict(
            img_path='images/10k/val',
            seg_map_path='labels/sem_seg/masks/val',
        ),
        pipeline=[dict(type='LoadImage'), dict(type='LoadLabels')],
    )
    assert all(len(key) == 17 for key in keys_of(dataset))
    present = {i for s in dataset for i in np.unique(s['gt_seg_map'])}
    _, label_ids = render_label_ids('bdd100k', 0, 10_000_000, SMALL['size'])
    assert {0, 2, 10, 13} <= present <= {*range(19), 255}
    assert label_ids.shape == dataset[0]['gt_seg_map'].shape


def test_target_of_bdd100k_has_no_labels(toy):
    assert len(list(toy.glob('B/images/10k/train/*.jpg'))) == 2
    assert not toy.joinpath('B/labels/sem_seg/masks/train').exists()
