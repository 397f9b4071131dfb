"""ACDC and Dark Zurich as published: the condition begins the key."""

import numpy as np
import pytest
from demo_data import ROOT
from toy_images import keys_of, make_image, make_label

from mmuda.datasets import ACDCDataset, DarkZurichDataset, examine_dataset
from mmuda.datasets.sets.missing_labels import missing_labels
from mmuda.utils.config import load_config
from mmuda.utils.errors import DataError

SIZE = (6, 10)
CONDITIONS = ('fog', 'night', 'rain', 'snow')
TRAIN = dict(img_path='rgb_anon/*/train', seg_map_path='gt/*/train')
VAL = dict(img_path='rgb_anon/*/val', seg_map_path='gt/*/val')
LOAD = [dict(type='LoadImage'), dict(type='LoadLabels')]
# Of a sequence that is filmed in fog and, under the same name, at night.
FRAME = 'GOPR0475/GOPR0475_frame_000041'


def write(root, place, name, train_id=0):
    """An image, its label, and what else lies beside it."""
    make_image(root / f'rgb_anon/{place}/{name}_rgb_anon.png', size=SIZE)
    split = place.split('/')[-1] if root.name == 'ACDC' else place
    if split.startswith(('train', 'val')):
        ids = np.full(SIZE, train_id, np.uint8)
        stem = root / f'gt/{place}/{name}'
        make_label(stem.with_name(stem.name + '_gt_labelTrainIds.png'), ids)
        for other in ('labelIds', 'labelColor', 'invIds'):
            path = stem.with_name(f'{stem.name}_gt_{other}.png')
            make_label(path, ids + 7)


def write_reference(root, place, name):
    """An image of fair weather, which the published names tell apart."""
    path = root / f'rgb_anon/{place}_ref/{name}_rgb_ref_anon.png'
    make_image(path, size=SIZE)


@pytest.fixture(scope='module')
def acdc(tmp_path_factory):
    root = tmp_path_factory.mktemp('data') / 'ACDC'
    for number, condition in enumerate(CONDITIONS):
        for split in ('train', 'val', 'test'):
            place = f'{condition}/{split}'
            write(root, place, FRAME, number)
            write_reference(root, place, FRAME)
        other = f'GOPR0{number}/GOPR0{number}_frame_000001'
        write(root, f'{condition}/train', other, number)
    return root


def build(kind, root, prefix, **options):
    return kind(
        data_root=str(root), data_prefix=prefix, pipeline=LOAD, **options
    )


def test_keys_and_files_of_acdc(acdc):
    dataset = build(ACDCDataset, acdc, TRAIN)
    assert keys_of(dataset) == sorted(
        f'{condition}/{name}'
        for number, condition in enumerate(CONDITIONS)
        for name in (FRAME, f'GOPR0{number}/GOPR0{number}_frame_000001')
    )
    assert dataset.orphans == []
    info = dataset.get_data_info(1)
    assert info['key'] == f'fog/{FRAME}'
    start, end = f'{acdc}/rgb_anon/fog/train/', '_rgb_anon.png'
    assert info['img_path'] == f'{start}{FRAME}{end}'
    start, end = f'{acdc}/gt/fog/train/', '_gt_labelTrainIds.png'
    assert info['seg_map_path'] == f'{start}{FRAME}{end}'


def test_each_image_has_its_own_label(acdc):
    dataset = build(ACDCDataset, acdc, VAL)
    read = {s['key']: np.unique(s['gt_seg_map']).tolist() for s in dataset}
    assert read == {f'{c}/{FRAME}': [i] for i, c in enumerate(CONDITIONS)}


def test_one_condition(acdc):
    dataset = build(ACDCDataset, acdc, VAL, include=['night/*'])
    assert keys_of(dataset) == [f'night/{FRAME}']


def test_images_of_the_test_split_have_no_labels(acdc):
    prefix = dict(img_path='rgb_anon/*/test', seg_map_path='gt/*/test')
    config = dict(type='ACDCDataset', data_root=str(acdc), data_prefix=prefix)
    folder = f'{acdc}/gt/*/test'
    assert missing_labels(config) == f"there are no labels in '{folder}'"
    with pytest.raises(DataError, match=r'no folder fits .*gt/\*/test'):
        build(ACDCDataset, acdc, prefix)
    prefix['seg_map_path'] = None
    assert len(ACDCDataset(prefix, data_root=str(acdc))) == 4


def test_reference_images_when_asked(acdc):
    dataset = ACDCDataset(
        dict(img_path='rgb_anon/*/val_ref'),
        data_root=str(acdc),
        img_suffix='_rgb_ref_anon.png',
    )
    assert keys_of(dataset) == [f'{c}/{FRAME}' for c in CONDITIONS]


def test_a_label_that_is_missing_is_named(acdc, tmp_path):
    root = tmp_path / 'ACDC'
    write(root, 'fog/val', FRAME)
    make_image(root / 'rgb_anon/rain/val/a/b_rgb_anon.png', size=SIZE)
    path = 'gt/rain/val/a/b_gt_labelTrainIds.png'
    with pytest.raises(DataError, match=f'1 file.* missing.*{path}'):
        build(ACDCDataset, root, VAL)


def test_labels_without_images_are_named(tmp_path):
    root = tmp_path / 'ACDC'
    for condition in ('fog', 'snow'):
        write(root, f'{condition}/val', FRAME)
    (root / f'rgb_anon/snow/val/{FRAME}_rgb_anon.png').unlink()
    dataset = build(ACDCDataset, root, VAL)
    assert dataset.orphans == [f'snow/{FRAME}']
    (line,) = examine_dataset(dataset).incomplete
    assert f'{root}/gt/snow/val/{FRAME}_gt_labelTrainIds.png' in line


@pytest.mark.parametrize(
    ('prefix', 'message'),
    [
        (dict(img_path='rgb/*/train'), r"no folder fits '.*rgb/\*/train'"),
        (dict(img_path='rgb_anon/*/trian'), r'correct data_prefix.img_path'),
        (dict(img_path='rgb_anon/*/test_ref'), r"no image '\*_rgb_anon.png'"),
    ],
)
def test_folders_that_do_not_fit(acdc, prefix, message):
    with pytest.raises(DataError, match=message):
        ACDCDataset(prefix, data_root=str(acdc))


def test_a_root_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"data_root .*ACDC' is not a folder"):
        ACDCDataset(TRAIN, data_root=str(tmp_path / 'ACDC'))


@pytest.fixture(scope='module')
def dark_zurich(tmp_path_factory):
    root = tmp_path_factory.mktemp('data') / 'DarkZurich'
    name = 'GOPR0356/GOPR0356_frame_000321'
    for time in ('day', 'night', 'twilight'):
        place = root / f'rgb_anon/train/{time}'
        make_image(place / f'{name}_rgb_anon.png', size=SIZE)
    write(root, 'val/night', name, 5)
    reference = 'GOPR0356_ref/GOPR0356_frame_000321_ref_rgb_anon.png'
    make_image(root / f'rgb_anon/val_ref/day/{reference}', size=SIZE)
    return root


def test_dark_zurich(dark_zurich):
    name = 'GOPR0356/GOPR0356_frame_000321'
    train = DarkZurichDataset(
        dict(img_path='rgb_anon/train'), data_root=str(dark_zurich)
    )
    times = ('day', 'night', 'twilight')
    assert keys_of(train) == [f'{time}/{name}' for time in times]
    val = dict(img_path='rgb_anon/val', seg_map_path='gt/val')
    (sample,) = build(DarkZurichDataset, dark_zurich, val)
    assert sample['key'] == f'night/{name}'
    assert (sample['gt_seg_map'] == 5).all()


LEAVES = [
    'advent/advent_gta2cs.py',
    'cotraining/cotraining_gta2cs.py',
    'mtda/coast_aspp-r101_g2cmi_19.py',
    'mtda/mtkt_deeplabv2-r101_g2cmi.py',
]


@pytest.mark.parametrize('leaf', LEAVES)
@pytest.mark.parametrize(
    ('setting', 'target', 'group_by'),
    [('cs2acdc', 'acdc', '[^/]+'), ('cs2darkzurich', 'dark_zurich', None)],
)
def test_settings(leaf, setting, target, group_by):
    """Every protocol keeps the keys by which ACDC is grouped."""
    path = ROOT / 'configs' / leaf
    cfg = load_config(path, {'setting': setting}, check=False)
    loaders, metrics = cfg.val_dataloader, cfg.val_evaluator
    if isinstance(loaders, list):
        (loaders,), (metrics,) = loaders, metrics
    metrics = metrics[0] if isinstance(metrics, list) else metrics
    assert metrics.prefix == target
    assert metrics.get('group_by') == group_by
    assert loaders.dataset.pipeline[-1].type == 'PackDomainInputs'
