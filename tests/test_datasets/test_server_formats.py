"""Ids and names of predictions that servers of benchmarks want."""

import pytest
from mmengine.dataset import ConcatDataset
from toy_images import make_image

from mmuda.datasets import FolderDataset
from mmuda.datasets.labels.label_maps import LABEL_SETS
from mmuda.datasets.server_formats import FORMATS
from mmuda.utils.errors import ConfigError, DataError

# Of the train ids in their order.
LABEL_IDS = [7, 8, 11, 12, 13, 17, *range(19, 29), 31, 32, 33]
LEVEL3_IDS = [0, 2, 22, 14, 15, 20, 19, 18, 24, 3, 25, 4, 5, 9, 10, 11, 12]
LEVEL3_IDS += [6, 7]
OF_STREETS = [name for name in FORMATS if name != 'loveda']


def folder(root, *names):
    for name in names:
        make_image(root / name)
    return FolderDataset(
        dict(img_path='.'), data_root=str(root), img_suffix='.png'
    )


@pytest.mark.parametrize(
    ('server', 'ids'),
    [
        ('cityscapes', LABEL_IDS),
        ('acdc', list(range(19))),
        ('idd', LEVEL3_IDS),
    ],
)
def test_ids_of_nineteen_classes(server, ids):
    table = FORMATS[server].table(LABEL_SETS['cityscapes19'])
    assert table.tolist() == ids


@pytest.mark.parametrize('server', OF_STREETS)
def test_ids_go_by_the_names_of_classes(server):
    ids = dict(
        zip(
            LABEL_SETS['cityscapes19'],
            FORMATS[server].table(LABEL_SETS['cityscapes19']),
            strict=True,
        )
    )
    classes = LABEL_SETS['synthia16']
    expected = [ids[name] for name in classes]
    assert FORMATS[server].table(classes).tolist() == expected


@pytest.mark.parametrize('server', FORMATS)
def test_classes_that_the_server_does_not_know(server):
    with pytest.raises(ConfigError, match=f"--format {server}: .*'flat'"):
        FORMATS[server].table(LABEL_SETS['seven_class'])


@pytest.mark.parametrize(
    ('server', 'image', 'file'),
    [
        (
            'cityscapes',
            'test/berlin/berlin_000000_000019_leftImg8bit.png',
            'berlin_000000_000019_pred_labelIds',
        ),
        (
            'acdc',
            'rgb_anon/fog/test/GOPR0475/GOPR0475_frame_000260_rgb_anon.png',
            'labelTrainIds/GOPR0475_frame_000260_rgb_anon',
        ),
        (
            'idd',
            'leftImg8bit/test/119/000123_leftImg8bit.png',
            '119/000123_gtFine_labellevel3Ids',
        ),
        ('loveda', 'Test/Rural/images_png/5167.png', '5167'),
    ],
)
def test_names_of_files(tmp_path, server, image, file):
    names = FORMATS[server].names(folder(tmp_path, image))
    (path,) = names
    assert path.endswith(image)
    assert names[path] == file


@pytest.mark.parametrize(
    ('server', 'image', 'example'),
    [
        ('cityscapes', 'berlin/19_leftImg8bit.png', 'berlin_000000_000019_'),
        ('acdc', 'GOPR0475_frame_000260_rgb_ref_anon.png', 'GOPR0475_frame'),
        ('idd', '119/000123.png', '119/000123_leftImg8bit.png'),
        ('loveda', 'Test/Rural/a5167.png', '4191.png'),
    ],
)
def test_images_of_other_benchmarks(tmp_path, server, image, example):
    message = f'--format {server}: .*{image}.* is not named .*{example}'
    with pytest.raises(DataError, match=message):
        FORMATS[server].names(folder(tmp_path, image))


def test_frames_of_other_drives_have_other_files(tmp_path):
    images = [f'{d}/000000_leftImg8bit.png' for d in ('a/1', 'a/2')]
    names = FORMATS['idd'].names(folder(tmp_path, *images))
    assert len(set(names.values())) == 2


@pytest.mark.parametrize(
    ('server', 'name'),
    [
        ('cityscapes', 'ulm_000000_000019_leftImg8bit.png'),
        ('acdc', 'A_frame_000001_rgb_anon.png'),
        ('idd', '7/000000_leftImg8bit.png'),
        ('loveda', '7.png'),
    ],
)
def test_two_images_of_one_file(tmp_path, server, name):
    images = [f'{part}/{name}' for part in ('x', 'y')]
    message = f'--format {server}: .*/{images[0]}.* and of .*/{images[1]}'
    with pytest.raises(DataError, match=message):
        FORMATS[server].names(folder(tmp_path, *images))
    parts = [folder(tmp_path / 'p' / part, name) for part in ('x', 'y')]
    with pytest.raises(DataError, match=f'--format {server}: .*/y/.*{name}'):
        FORMATS[server].names(ConcatDataset(parts))
