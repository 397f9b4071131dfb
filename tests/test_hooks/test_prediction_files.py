"""Files that a test writes: complete, by key, and readable as train ids."""

import mmcv
import numpy as np
import pytest
import torch
from mmseg.datasets.transforms import LoadAnnotations
from PIL import Image
from tiny_runs import METAINFO, loader, runner

from mmuda.datasets.transforms.image_loading import read_label_ids
from mmuda.utils.drawing import legend
from mmuda.utils.errors import ConfigError

SIZE = (32, 48)
KEYS = ('119/000000', '52/000000', '52/000001')
LOAD = [dict(type='LoadImage'), dict(type='LoadLabels')]
PACK = [dict(type='PackSegInputs')]


def folder(root, keys=KEYS, labels=True, pipeline=None):
    """A data set of images of two drives with the same frame numbers."""
    for seed, key in enumerate(keys):
        rng = np.random.default_rng(seed)
        blocks = rng.integers(0, 256, (4, 6, 3), dtype=np.uint8)
        image = np.kron(blocks, np.ones((8, 8, 1), np.uint8))
        mmcv.imwrite(image, str(root / f'images/{key}.png'))
        ids = np.full(SIZE, seed, np.uint8)
        mmcv.imwrite(ids, str(root / f'labels/{key}.png'))
    prefix = dict(img_path='images', seg_map_path='labels' if labels else None)
    return dict(
        type='FolderDataset',
        data_root=str(root),
        data_prefix=prefix,
        label_set=None,
        metainfo=METAINFO,
        img_suffix='.png',
        pipeline=pipeline or (LOAD if labels else LOAD[:1]) + PACK,
    )


def options_of(dataset, **changes):
    metric = dict(type='DomainIoUMetric', prefix='rome')
    sampler = dict(type='DefaultSampler', shuffle=False)
    return (
        dict(
            test_dataloader=loader(dataset, sampler),
            test_evaluator=metric,
            test_cfg=dict(type='TestLoop'),
        )
        | changes
    )


def make_predictions_vary(run):
    """A new network sees the same class everywhere."""
    model = run.model.eval()
    batches = run.build_dataloader(first_of(run._test_dataloader))
    inputs = [model.data_preprocessor(batch)['inputs'] for batch in batches]
    with torch.no_grad():
        logits = model.segmentor(torch.cat(inputs))
        head = model.segmentor.decode_head.conv_seg
        head.bias.sub_(logits.mean(dim=(0, 2, 3)))


def first_of(loaders):
    return loaders[0] if isinstance(loaders, list) else loaders


def run(tmp_path, hook, options, **changes):
    hook = dict(hook, out_dir=str(tmp_path / 'out'))
    done = runner(tmp_path / 'run', hooks=[hook], **options, **changes)
    make_predictions_vary(done)
    done.test()
    files = sorted((tmp_path / 'out').rglob('*.png'))
    return done, [str(f.relative_to(tmp_path / 'out')) for f in files]


FILES = dict(type='PredictionFilesHook')
DRAW = dict(type='PredictionDrawingHook')
LEGEND = dict(visualizer=dict(type='LegendVisualizer'))


@pytest.fixture
def written(tmp_path):
    done, names = run(tmp_path, FILES, options_of(folder(tmp_path)))
    return done, names, tmp_path / 'out'


def predicted(done, dataset):
    """Labels that the model predicts, by key."""
    labels = {}
    for i in range(len(dataset)):
        item = dataset[i]
        batch = dict(
            inputs=[item['inputs']], data_samples=[item['data_samples']]
        )
        with torch.no_grad():
            sample = done.model.eval().test_step(batch)[0]
        key = dataset.get_data_info(i)['key']
        labels[key] = sample.pred_sem_seg.data[0].numpy()
    return labels


def test_each_image_has_a_file_with_its_prediction(written):
    done, names, out = written
    assert names == [f'{key}.png' for key in KEYS]
    labels = predicted(done, done.test_loop.dataloader.dataset)
    assert len({label.tobytes() for label in labels.values()}) == 3
    for key, label in labels.items():
        read = np.asarray(Image.open(out / f'{key}.png'))
        assert np.array_equal(read, label)


def test_the_palette_is_that_of_the_classes(written):
    image = Image.open(written[2] / '52/000001.png')
    assert image.mode == 'P'
    ids, colours = np.asarray(image), np.asarray(image.convert('RGB'))
    for i in np.unique(ids):
        assert (colours[ids == i] == METAINFO['palette'][i]).all()


def test_predictions_are_read_as_labels(written):
    path = str(written[2] / '52/000001.png')
    ids = np.asarray(Image.open(path))
    assert np.array_equal(read_label_ids(dict(seg_map_path=path)), ids)
    theirs = LoadAnnotations()(
        dict(
            seg_map_path=path,
            label_map=None,
            reduce_zero_label=False,
            seg_fields=[],
        )
    )
    assert np.array_equal(theirs['gt_seg_map'], ids)


def test_targets_have_folders_of_their_own(tmp_path):
    options = options_of(None)
    single = options['test_dataloader']
    options['test_dataloader'] = [
        dict(single, dataset=folder(tmp_path / city, KEYS[:2]))
        for city in ('rome', 'oslo')
    ]
    options['test_evaluator'] = [
        dict(type='DomainIoUMetric', prefix=city) for city in ('rome', 'oslo')
    ]
    options['test_cfg'] = dict(type='MultiTargetTestLoop')
    _, names = run(tmp_path, FILES, options)
    assert names == [
        f'{city}/{key}.png' for city in ('oslo', 'rome') for key in KEYS[:2]
    ]


def test_images_without_labels(tmp_path):
    options = options_of(
        folder(tmp_path, labels=False),
        test_evaluator=dict(type='DomainIoUMetric', format_only=True),
    )
    _, names = run(tmp_path, FILES, options)
    assert names == [f'{key}.png' for key in KEYS]


def test_samples_that_do_not_name_their_image(tmp_path):
    pack = dict(type='PackSegInputs', meta_keys=('ori_shape', 'img_shape'))
    dataset = folder(tmp_path, pipeline=[*LOAD, pack])
    with pytest.raises(ConfigError, match='leave it in meta_keys'):
        run(tmp_path, FILES, options_of(dataset))


def test_drawings_have_the_names_of_the_images(tmp_path):
    done, names = run(tmp_path, DRAW, options_of(folder(tmp_path)), **LEGEND)
    assert names == [f'{key}.png' for key in KEYS]
    rows = legend(METAINFO['classes'], METAINFO['palette'], SIZE[1])
    drawn = mmcv.imread(str(tmp_path / f'out/{KEYS[0]}.png'))
    # The label is beside the prediction, the legend below.
    assert drawn.shape == (SIZE[0] + len(rows), 2 * SIZE[1], 3)


def test_drawings_show_what_the_pipeline_cuts_out(tmp_path):
    crop = dict(type='CropFraction', bottom=0.5)
    dataset = folder(tmp_path, pipeline=[LOAD[0], crop, LOAD[1], *PACK])
    run(
        tmp_path,
        DRAW,
        options_of(dataset),
        visualizer=dict(type='LegendVisualizer', alpha=0.0),
    )
    drawn = mmcv.imread(str(tmp_path / f'out/{KEYS[0]}.png'))
    image = mmcv.imread(str(tmp_path / f'images/{KEYS[0]}.png'))
    half = SIZE[0] // 2
    assert np.array_equal(drawn[:half, : SIZE[1]], image[:half])


def test_drawings_of_several_data_sets(tmp_path):
    """Each is cut as its own pipeline does."""
    parts = []
    for name, side in (('rome', 'top'), ('oslo', 'bottom')):
        crop = {'type': 'CropFraction', side: 0.5}
        pipeline = [LOAD[0], crop, LOAD[1], *PACK]
        parts.append(folder(tmp_path / name, KEYS[:1], pipeline=pipeline))
    both = dict(type='ConcatDataset', datasets=parts)
    look = dict(type='LegendVisualizer', alpha=0.0)
    _, names = run(tmp_path, DRAW, options_of(both), visualizer=look)
    assert names == [f'{i}/{KEYS[0]}.png.png' for i in (0, 1)]
    half, image = (
        SIZE[0] // 2,
        mmcv.imread(f'{tmp_path}/rome/images/{KEYS[0]}.png'),
    )
    for name, kept in zip(names, (image[half:], image[:half]), strict=True):
        drawn = mmcv.imread(str(tmp_path / 'out' / name))
        assert np.array_equal(drawn[:half, : SIZE[1]], kept)


def test_drawing_needs_a_visualizer_that_can(tmp_path):
    with pytest.raises(ConfigError, match='Visualizer has no draw_sample'):
        run(tmp_path, DRAW, options_of(folder(tmp_path)))
