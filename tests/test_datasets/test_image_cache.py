"""Images kept as they are after loading and resizing."""

import os
import resource
from multiprocessing import get_context

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from toy_images import folder_config, make_folder

from mmuda.datasets.domain_dataset import DomainDataset, DomainIndex
from mmuda.datasets.transforms.cached_steps import constant_steps
from mmuda.datasets.transforms.image_loading import LoadImage
from mmuda.registry import DATASETS
from mmuda.utils.errors import ConfigError, DataError

KEYS = [f'{letter}/{number}' for letter in 'ab' for number in range(3)]
LOAD, LABELS = dict(type='LoadImage'), dict(type='LoadLabels')
CROP = dict(type='CropFraction', bottom=0.2)
RANDOM = [
    dict(type='RandomFlip', prob=0.5),
    dict(type='PhotoMetricDistortion'),
]
PACK = dict(type='PackDomainInputs')


def resize(backend='torch', **changes):
    size = dict(scale=(10, 6), interpolation='bicubic') | changes
    return dict(type='Resize', backend=backend, **size)


PIPELINES = dict(
    torch=[LOAD, LABELS, CROP, resize(), *RANDOM, PACK],
    pillow=[LOAD, LABELS, resize('pillow'), *RANDOM, PACK],
    late_labels=[LOAD, resize(), LABELS, PACK],
    fit=[
        LOAD,
        LABELS,
        dict(type='ResizeToFit', scale=(10, 7), backend='torch'),
        dict(type='PadToSize', size=(10, 7)),
        PACK,
    ],
    no_size=[LOAD, LABELS, *RANDOM, PACK],
)


@pytest.fixture
def data(tmp_path):
    return make_folder(tmp_path / 'data', KEYS, ids=3, size=(21, 34))


def dataset(data, pipeline='torch', cache=None, max_gb=1.0, **changes):
    config = folder_config(data, pipeline=PIPELINES[pipeline], **changes)
    if cache is not None:
        config['image_cache'] = dict(folder=str(cache), max_gb=max_gb)
    return DATASETS.build(config)


def samples(built):
    found = []
    for index in range(len(built)):
        np.random.seed(index)
        found.append(built[index])
    return found


def require_same(first, second):
    assert len(first) == len(second) == len(KEYS)
    for one, two in zip(first, second, strict=True):
        assert torch.equal(one['inputs'], two['inputs'])
        one, two = one['data_samples'], two['data_samples']
        assert torch.equal(one.gt_sem_seg.data, two.gt_sem_seg.data)
        assert one.metainfo == two.metainfo


def entries(cache):
    return sorted(cache.glob('*/*.cache'))


def size_of(cache):
    return sum(path.stat().st_size for path in entries(cache))


@pytest.mark.parametrize('pipeline', PIPELINES)
def test_the_same_to_the_bit(data, tmp_path, pipeline):
    plain = samples(dataset(data, pipeline))
    for _ in range(2):
        cached = dataset(data, pipeline, tmp_path / 'cache')
        require_same(samples(cached), plain)
        require_same(samples(cached), plain)
    assert len(entries(tmp_path / 'cache')) == len(KEYS)


def test_files_are_not_read_again(data, tmp_path, monkeypatch):
    plain = samples(dataset(data))
    samples(dataset(data, cache=tmp_path / 'cache'))
    monkeypatch.setattr(LoadImage, 'transform', None)
    require_same(samples(dataset(data, cache=tmp_path / 'cache')), plain)


def test_results_may_be_changed(data, tmp_path):
    built = dataset(data, cache=tmp_path / 'cache')
    first = built.pipeline.transforms[0](built.get_data_info(0))
    again = built.pipeline.transforms[0](built.get_data_info(0))
    assert first.keys() == again.keys()
    assert again['img'].strides == first['img'].strides
    again['img'][:] = 0
    again['gt_seg_map'][:] = 0
    third = built.pipeline.transforms[0](built.get_data_info(0))
    assert np.array_equal(third['img'], first['img'])


def test_only_what_is_without_chance_is_kept(data):
    counts = {
        name: constant_steps(dataset(data, name).pipeline.transforms)
        for name in PIPELINES
    }
    assert counts == dict(torch=4, pillow=3, late_labels=3, fit=4, no_size=2)


def test_another_image_of_the_same_name(data, tmp_path):
    samples(dataset(data, cache=tmp_path / 'cache'))
    path = data / f'images/{KEYS[0]}.jpg'
    other = data / f'images/{KEYS[1]}.jpg'
    path.write_bytes(other.read_bytes())
    os.utime(path, ns=(1, 1))
    cached = dataset(data, cache=tmp_path / 'cache')
    require_same(samples(cached), samples(dataset(data)))
    assert len(entries(tmp_path / 'cache')) == len(KEYS)


@pytest.mark.parametrize(
    'changes',
    [
        dict(pipeline='pillow'),
        dict(label_table={3: 1}),
        dict(pipeline='late_labels'),
    ],
)
def test_other_settings_have_entries_of_their_own(data, tmp_path, changes):
    cache = tmp_path / 'cache'
    samples(dataset(data, cache=cache))
    samples(dataset(data, cache=cache, **changes))
    assert len(entries(cache)) == 2 * len(KEYS)
    require_same(
        samples(dataset(data, cache=cache, **changes)),
        samples(dataset(data, **changes)),
    )


def cut(content):
    return content[: len(content) // 2]


def flipped(content):
    return content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]


@pytest.mark.parametrize(
    'damage',
    [cut, flipped, lambda content: b'', lambda content: b'\x80\x04.' * 99],
)
def test_damaged_entries_are_made_anew(data, tmp_path, damage):
    cache = tmp_path / 'cache'
    plain = samples(dataset(data))
    samples(dataset(data, cache=cache))
    whole = [path.read_bytes() for path in entries(cache)]
    for path in entries(cache):
        path.write_bytes(damage(path.read_bytes()))
    require_same(samples(dataset(data, cache=cache)), plain)
    assert [path.read_bytes() for path in entries(cache)] == whole


@pytest.mark.parametrize('share', [0, 0.5])
def test_the_bound_holds(data, tmp_path, share, capfd):
    samples(dataset(data, cache=tmp_path / 'all'))
    bound = share * size_of(tmp_path / 'all') + 9
    plain = samples(dataset(data))
    for _ in range(2):
        cached = dataset(data, cache=tmp_path / 'cache', max_gb=bound / 1e9)
        require_same(samples(cached), plain)
        assert size_of(tmp_path / 'cache') <= bound
        assert len(entries(tmp_path / 'cache')) == share * len(KEYS)


def test_a_lower_bound_removes_entries(data, tmp_path):
    cache = tmp_path / 'cache'
    samples(dataset(data, cache=cache))
    bound = size_of(cache) - 1
    dataset(data, cache=cache, max_gb=bound / 1e9)
    assert len(entries(cache)) == len(KEYS) - 1


def fill(data, cache, bound):
    samples(dataset(data, cache=cache, max_gb=bound))
    os._exit(0)


@pytest.mark.parametrize('share', [0.5, 1.1])
def test_several_processes(data, tmp_path, share):
    samples(dataset(data, cache=tmp_path / 'all'))
    bound = share * size_of(tmp_path / 'all') / 1e9
    cache = tmp_path / 'cache'
    context = get_context('fork')
    workers = [
        context.Process(target=fill, args=(data, cache, bound))
        for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert len(entries(cache)) == len(KEYS) * min(share, 1)
    assert not list(cache.glob('*/*.tmp'))
    cached = dataset(data, cache=cache, max_gb=bound)
    require_same(samples(cached), samples(dataset(data)))


def test_what_a_killed_process_left_is_removed(data, tmp_path):
    cache = tmp_path / 'cache'
    samples(dataset(data, cache=cache))
    left = entries(cache)[0].with_suffix('.tmp')
    left.write_bytes(b'x' * 999)
    dataset(data, cache=cache)
    assert not left.exists()


def test_training_data_has_one_cache(data, tmp_path):
    def build(**changes):
        return DomainDataset(
            source=folder_config(data, pipeline=PIPELINES['torch']),
            target=folder_config(
                data, labels=False, pipeline=[LOAD, resize(), *RANDOM, PACK]
            ),
            **changes,
        )

    cache = tmp_path / 'cache'
    index = DomainIndex((0, 1), seed=7)
    plain = build()[index]['inputs']
    for _ in range(2):
        options = dict(folder=str(cache), max_gb=1)
        found = build(image_cache=options)[index]['inputs']
        assert torch.equal(found['source'], plain['source'])
        assert torch.equal(found['target'], plain['target'])
    assert len(entries(cache)) == 2


def test_a_missing_image_is_told_as_without(data, tmp_path):
    built = dataset(data, cache=tmp_path / 'cache')
    (data / f'images/{KEYS[0]}.jpg').unlink()
    with pytest.raises(DataError, match='images/a/0.jpg'):
        built[0]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(folder='x'), 'give folder and max_gb'),
        (dict(folder='x', max_gb=1, size=2), 'give folder and max_gb'),
        (dict(folder='x', max_gb=0), 'image_cache.max_gb'),
        (dict(folder='/dev/null/x', max_gb=1), 'image_cache.folder'),
    ],
)
def test_wrong_options(data, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=message):
        DATASETS.build(
            folder_config(data, pipeline=[LOAD, PACK], image_cache=options)
        )


def test_a_full_disk_is_told_once(data, tmp_path, capfd):
    cache = tmp_path / 'cache'
    dataset(data, cache=cache)
    context = get_context('fork')
    built = dataset(data, cache=cache)
    plain = samples(dataset(data))

    def work(name):
        MMLogger.get_instance(f'full_disk_{name}')
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
        require_same(samples(built), plain)
        require_same(samples(built), plain)

    workers = [context.Process(target=work, args=(n,)) for n in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert not entries(cache)
    out, err = capfd.readouterr()
    assert (out + err).count('no more images are added') == 1
    assert 'File too large' in out + err
