import pytest
from toy_images import cut_in_half, folder_config, make_folder, make_image
from toy_pseudo_labels import TEN, make_soft_labels, make_store

from mmuda.datasets import DomainDataset, describe_domains, scan_dataset
from mmuda.datasets.pseudo_labels.pseudo_label_checks import unique_keys
from mmuda.datasets.pseudo_labels.pseudo_label_store import publish_round
from mmuda.registry import DATASETS
from mmuda.utils.errors import ConfigError, DataError


def target_config(root, labels, *between, kind='LoadPseudoLabels', **options):
    """Config of a target that reads pseudo-labels from a folder."""
    load = {'type': kind, 'pseudo_label_root': str(labels), **options}
    pipeline = [{'type': 'LoadImage'}, *between, load]
    return folder_config(root, labels=False, pipeline=pipeline)


def describe(config):
    """The last line, which is that of the pseudo-labels."""
    return describe_domains(DomainDataset(target=config))[-1]


def sound(tmp_path, keys=('a', 'b'), **options):
    """Images and their pseudo-labels; return the target's config."""
    make_folder(tmp_path / 'data', keys)
    make_store(tmp_path / 'labels', keys)
    return target_config(tmp_path / 'data', tmp_path / 'labels', **options)


def test_description_of_pseudo_labels(tmp_path):
    line = describe(sound(tmp_path))
    assert line.endswith(f', pseudo-labels in {tmp_path}/labels, 40% kept')


def test_description_of_a_round(tmp_path):
    make_folder(tmp_path / 'data', 'a')
    make_store(tmp_path / 'labels/round_0003')
    publish_round(tmp_path / 'labels', 'round_0003')
    config = target_config(tmp_path / 'data', tmp_path / 'labels')
    assert describe(config).endswith('labels/round_0003, 40% kept')


def test_no_round_yet(tmp_path):
    make_folder(tmp_path, 'a')
    config = target_config(tmp_path, tmp_path / 'x', allow_missing=True)
    assert describe(config).endswith(f'no pseudo-labels yet in {tmp_path}/x')


def test_unfinished_labels_stop_the_training(tmp_path):
    make_folder(tmp_path, 'a')
    config = target_config(tmp_path, tmp_path / 'x')
    with pytest.raises(DataError, match=r"'target': .*/x' holds no finished"):
        describe(config)


def test_trusted_labels_are_not_checked(tmp_path):
    make_folder(tmp_path, 'a')
    config = target_config(tmp_path, tmp_path / 'x', trust=True)
    assert describe(config).endswith(f'in {tmp_path}/x, not checked')


def test_labels_of_fewer_images(tmp_path):
    config = sound(tmp_path)
    make_image(tmp_path / 'data/images/c.jpg')
    with pytest.raises(DataError, match=r"'target': .*2, .* has 3 .'c' is"):
        describe(config)


def test_labels_of_another_class_set(tmp_path):
    make_folder(tmp_path / 'data', 'a')
    make_store(tmp_path / 'labels', classes=TEN[:7])
    config = target_config(tmp_path / 'data', tmp_path / 'labels')
    with pytest.raises(DataError, match='7 classes .*, the data set has 10'):
        describe(config)


def test_stale_round_is_refused_although_labels_may_be_missing(tmp_path):
    config = sound(tmp_path, allow_missing=True)
    make_image(tmp_path / 'data/images/c.jpg')
    with pytest.raises(DataError, match='of other images'):
        describe(config)


def test_missing_soft_labels(tmp_path):
    config = sound(tmp_path, kind='LoadSoftPseudoLabels')
    with pytest.raises(DataError, match=r'2 file.*labels/a\.npz'):
        describe(config)


def test_soft_labels_that_are_there(tmp_path):
    config = sound(tmp_path, kind='LoadSoftPseudoLabels')
    make_soft_labels(tmp_path / 'labels', 'ab')
    assert describe(config).endswith('labels, 40% kept')


def test_each_of_several_targets_is_checked(tmp_path):
    config = sound(tmp_path)
    other = target_config(tmp_path / 'data', tmp_path / 'nowhere')
    dataset = DomainDataset(targets={'day': config, 'night': other})
    with pytest.raises(DataError, match=r"domain 'night': .*nowhere"):
        describe_domains(dataset)


# Domains made of several data sets


def two_parts(tmp_path, first, second):
    """Two data sets that read one folder with the labels of all images."""
    make_folder(tmp_path / 'first', first)
    make_folder(tmp_path / 'second', second)
    make_store(tmp_path / 'labels', sorted({*first, *second}))
    return [
        target_config(tmp_path / part, tmp_path / 'labels')
        for part in ('first', 'second')
    ]


def test_labels_of_all_parts(tmp_path):
    line = describe(two_parts(tmp_path, ['a', 'b'], ['c']))
    assert line.endswith('labels, 40% kept')


def test_labels_of_one_part_only(tmp_path):
    config = two_parts(tmp_path, ['a', 'b'], ['c'])
    make_store(tmp_path / 'labels', ['a', 'b'])
    with pytest.raises(DataError, match='of 2, the data set has 3'):
        describe(config)


def test_parts_with_the_same_key(tmp_path):
    config = two_parts(tmp_path, ['a', 'b'], ['b'])
    expected = r"first/images/b\.jpg' and .*second/images/b\.jpg'.*key 'b'"
    with pytest.raises(DataError, match=expected):
        describe(config)


def test_parts_with_the_same_key_and_folders_of_their_own(tmp_path):
    config = two_parts(tmp_path, ['a', 'b'], ['b'])
    for part, keys in (('first', 'ab'), ('second', 'b')):
        make_store(tmp_path / part / 'pseudo', keys)
    for part, name in zip(config, ('first', 'second'), strict=True):
        root = str(tmp_path / name / 'pseudo')
        part['pipeline'][1]['pseudo_label_root'] = root
    assert describe(config).count('40% kept') == 2


def test_keys_of_all_images(tmp_path):
    make_folder(tmp_path, ['b', 'ulm/a'])
    dataset = DATASETS.build(folder_config(tmp_path))
    assert unique_keys([dataset]) == ['b', 'ulm/a']


# Order of the pipeline


@pytest.mark.parametrize('kind', ['LoadPseudoLabels', 'LoadSoftPseudoLabels'])
@pytest.mark.parametrize(
    'move',
    [
        {'type': 'RandomFlip', 'prob': 0.5},
        {'type': 'RandomCrop', 'crop_size': (4, 4)},
    ],
)
def test_image_moved_before_loading(tmp_path, kind, move):
    make_folder(tmp_path, 'a')
    config = target_config(tmp_path, tmp_path, move, kind=kind)
    expected = f"'target': {move['type']} comes before {kind} .*put it after"
    with pytest.raises(ConfigError, match=expected):
        describe(config)


@pytest.mark.parametrize(
    'resize',
    [
        {'type': 'Resize', 'scale': (6, 4), 'backend': 'pillow'},
        {'type': 'ResizeToFit', 'scale': (6, 4)},
        {
            'type': 'RandomResize',
            'scale': (6, 4),
            'ratio_range': (0.5, 2.0),
            'resize_type': 'Resize',
        },
        {'type': 'PadToSize', 'size': (16, 16)},
        {'type': 'RandomRotate', 'prob': 0.5, 'degree': 10.0},
    ],
)
def test_soft_labels_loaded_too_early(tmp_path, resize):
    config = sound(tmp_path, kind='LoadSoftPseudoLabels')
    config['pipeline'].append(resize)
    expected = f'{resize["type"]} comes after LoadSoftPseudoLabels'
    with pytest.raises(ConfigError, match=expected):
        describe(config)


def test_hard_labels_may_be_loaded_before_resizing(tmp_path):
    config = sound(tmp_path)
    config['pipeline'].append({'type': 'Resize', 'scale': (6, 4)})
    assert describe(config).endswith('40% kept')


# Reading every file


def scan(config):
    return scan_dataset(DomainDataset(target=config), 2, progress=False)


def test_scan_of_sound_pseudo_labels(tmp_path):
    assert scan(sound(tmp_path)) == []


def test_scan_finds_damaged_pseudo_labels(tmp_path):
    config = sound(tmp_path, 'abc')
    cut_in_half(tmp_path / 'labels/b.png')
    (tmp_path / 'labels/c.png').unlink()
    faults = scan(config)
    assert len(faults) == 2
    assert 'labels/b.png' in faults[0]
    assert "labels/c.png' does not exist" in faults[1]


def test_scan_tells_of_unfinished_labels_once(tmp_path):
    config = sound(tmp_path, 'abc')
    (tmp_path / 'labels/manifest.json').unlink()
    faults = scan(config)
    assert len(faults) == 1
    assert 'holds no finished pseudo-labels' in faults[0]


def test_scan_before_the_first_round(tmp_path):
    config = sound(tmp_path, allow_missing=True)
    (tmp_path / 'labels/manifest.json').unlink()
    assert scan(config) == []
