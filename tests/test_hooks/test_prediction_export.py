"""Predictions for servers: their ids, complete, of the size of the image."""

import gloo
import numpy as np
import pytest
import torch
from mmcv import imwrite
from PIL import Image
from tiny_runs import METAINFO, loader, runner

from mmuda.hooks.prediction_files_hook import PredictionExportHook
from mmuda.registry import HOOKS
from mmuda.utils.errors import ConfigError, DataError

SIZE = (32, 48)
CLASSES = ('sky', 'terrain', 'car', 'train', 'person')
IDS = dict(
    cityscapes=[23, 22, 26, 31, 24],
    acdc=[10, 9, 13, 16, 11],
    idd=[25, 3, 9, 12, 4],
)
IMAGES = dict(
    cityscapes='berlin/berlin_{:06}_000019_leftImg8bit.png',
    acdc='night/test/GOPR0/GOPR0_frame_{:06}_rgb_anon.png',
    idd='119/{:06}_leftImg8bit.png',
)
FILES = dict(
    cityscapes='berlin_{:06}_000019_pred_labelIds.png',
    acdc='labelTrainIds/GOPR0_frame_{:06}_rgb_anon.png',
    idd='119/{:06}_gtFine_labellevel3Ids.png',
)


def dataset_of(root, server, classes=CLASSES, steps=()):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        blocks = rng.integers(0, 256, (4, 6, 3), dtype=np.uint8)
        image = np.kron(blocks, np.ones((8, 8, 1), np.uint8))
        imwrite(image, str(root / 'images' / IMAGES[server].format(seed)))
    load, pack = dict(type='LoadImage'), dict(type='PackDomainInputs')
    return dict(
        type='FolderDataset',
        data_root=str(root),
        data_prefix=dict(img_path='images'),
        label_set=None,
        metainfo=dict(METAINFO, classes=classes),
        img_suffix='.png',
        pipeline=[load, *steps, pack],
    )


def run(root, server, dataset, kind='PredictionExportHook', **changes):
    hook = dict(type=kind, server=server)
    hook['out_dir'] = str(root / 'out')
    options = dict(
        test_dataloader=loader(dataset, dict(type='DefaultSampler')),
        test_evaluator=dict(type='DomainIoUMetric', format_only=True),
        test_cfg=dict(type='TestLoop'),
    )
    done = runner(root / 'run', hooks=[hook], **(options | changes))
    # A new network sees the same class everywhere.
    head = done.model.segmentor.decode_head.conv_seg
    with torch.no_grad():
        head.weight.normal_(generator=torch.Generator().manual_seed(0))
    done.test()
    return done


def files_in(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob('*.png'))


def number_of(sample, server):
    ends = [IMAGES[server].format(i) for i in range(3)]
    return [sample.img_path.endswith(end) for end in ends].index(True)


@pytest.mark.parametrize('server', IDS)
def test_each_image_has_a_file_with_the_ids_of_the_server(tmp_path, server):
    done = run(tmp_path, server, dataset_of(tmp_path, server))
    names = [FILES[server].format(i) for i in range(3)]
    assert files_in(tmp_path / 'out') == names
    seen = set()
    for batch in done.test_loop.dataloader:
        with torch.no_grad():
            (sample,) = done.model.eval().test_step(batch)
        name = FILES[server].format(number_of(sample, server))
        image = Image.open(tmp_path / 'out' / name)
        assert image.mode == 'L'
        expected = np.array(IDS[server])[sample.pred_sem_seg.data[0].numpy()]
        assert np.array_equal(np.asarray(image), expected)
        seen.update(np.unique(expected).tolist())
    assert len(seen) > 1


def test_the_size_of_the_image_is_asked_for(tmp_path):
    crop = dict(type='CropFraction', bottom=0.5)
    dataset = dataset_of(tmp_path, 'acdc', steps=[crop])
    message = r'48x16 \(width x height\), the image 48x32'
    with pytest.raises(DataError, match=message):
        run(tmp_path, 'acdc', dataset)
    assert files_in(tmp_path / 'out') == []


def test_classes_without_an_id(tmp_path):
    dataset = dataset_of(tmp_path, 'acdc', tuple('abcde'))
    with pytest.raises(ConfigError, match="no id for the classes .*'a'"):
        run(tmp_path, 'acdc', dataset)


def test_images_of_another_benchmark(tmp_path):
    with pytest.raises(DataError, match='--format idd: .*is not named'):
        run(tmp_path, 'idd', dataset_of(tmp_path, 'acdc'))


def test_an_unknown_format(tmp_path):
    with pytest.raises(ConfigError, match=r'--format.*gta5.*cityscapes'):
        run(tmp_path, 'gta5', dataset_of(tmp_path, 'acdc'))


def test_several_targets_have_folders_of_their_own(tmp_path):
    parts = ('day', 'night')
    loaders = [
        loader(
            dataset_of(tmp_path / part, 'acdc'), dict(type='DefaultSampler')
        )
        for part in parts
    ]
    metrics = [dict(type='EntropyMetric', prefix=part) for part in parts]
    run(
        tmp_path,
        'acdc',
        None,
        test_dataloader=loaders,
        test_evaluator=metrics,
        test_cfg=dict(type='MultiTargetTestLoop', predict_unlabelled=True),
    )
    names = [FILES['acdc'].format(i) for i in range(3)]
    expected = [f'{part}/{name}' for part in parts for name in names]
    assert files_in(tmp_path / 'out') == expected


@HOOKS.register_module()
class RememberedExport(PredictionExportHook):
    """Remembers what this process has written."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.written = []

    def draw(self, runner, dataset, name, sample):
        self.written.append(name)
        return super().draw(runner, dataset, name, sample)


def exported(root, dataset, batch_size):
    loaded = loader(dataset, dict(type='DefaultSampler', shuffle=False))
    loaded['batch_size'] = batch_size
    kind = 'RememberedExport'
    done = run(root, 'idd', dataset, kind, test_dataloader=loaded)
    (hook,) = (h for h in done.hooks if isinstance(h, RememberedExport))
    return hook.written


@pytest.mark.parametrize('batch_size', [1, 2])
def test_two_processes_write_each_file_once(tmp_path, batch_size):
    """Of three images the second process sees the first again."""
    dataset = dataset_of(tmp_path, 'idd')
    alone = exported(tmp_path / 'alone', dataset, batch_size)
    parts = gloo.run(
        exported, tmp_path, tmp_path / 'both', dataset, batch_size
    )
    assert [len(part) for part in parts] == [2, 1]
    assert sorted(parts[0] + parts[1]) == sorted(alone)
    files = files_in(tmp_path / 'alone/out')
    assert files == [FILES['idd'].format(i) for i in range(3)]
    assert files_in(tmp_path / 'both/out') == files
    for name in files:
        first, second = (
            (tmp_path / folder / 'out' / name).read_bytes()
            for folder in ('alone', 'both')
        )
        assert first == second
