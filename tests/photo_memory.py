"""Peak memory of testing and labelling a photo of 12 megapixels.

Run as a program it takes names of cases and prints, for each, the bytes that
the process has at most beside what it had before.
"""

import json
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from benchmarks.labelling import ESL_RULE
from benchmarks.tiny_labelling import _MODEL, resident_bytes, tiny_model
from mmuda.pseudo_labels.labeler import PseudoLabeler
from mmuda.pseudo_labels.labelling_options import PseudoLabelOptions
from mmuda.registry import DATASETS
from mmuda.utils.setup_env import register_all_modules

SIZE = (4000, 3000)
SEEN = dict(type='Resize', scale=(1024, 768), keep_ratio=False)
LOAD = [dict(type='LoadImage'), SEEN]
CONFIDENT = dict(type='ConfidenceQuantile', quantile=0.5)
MIRROR = [dict(type='RandomFlip', prob=prob) for prob in (0.0, 1.0)]
VERSIONS = dict(
    type='TestTimeAug',
    transforms=[
        [SEEN],
        MIRROR,
        [dict(type='LoadLabels')],
        [dict(type='PackSegInputs')],
    ],
)


def write_photo(folder):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)
    label = rng.integers(0, 19, (30, 40), dtype=np.uint8)
    for name, small in (('images/a.jpg', image), ('labels/a.png', label)):
        path = folder / name
        path.parent.mkdir()
        large = cv2.resize(small, SIZE, interpolation=cv2.INTER_NEAREST)
        cv2.imwrite(str(path), large)


def photos(folder, pipeline, **changes):
    return dict(
        type='FolderDataset',
        data_root=str(folder),
        data_prefix=dict(img_path='images', **changes),
        img_suffix='.jpg',
        seg_map_suffix='.png',
        label_set='cityscapes19',
        label_table=None,
        pipeline=pipeline,
    )


def labelling(folder, rule, order):
    pipeline = [*LOAD, dict(type='PackDomainInputs')]
    dataset = DATASETS.build(photos(folder, pipeline))
    options = PseudoLabelOptions(
        rule, pipeline, order=order, original_size=True, num_workers=0
    )
    labeler = PseudoLabeler(options.predictor(tiny_model()), options)
    return lambda: labeler.run(
        dataset, folder / order, config='', checkpoints=()
    )


def evaluation(folder, metrics, tta=False):
    pipeline = [*LOAD, dict(type='LoadLabels'), dict(type='PackSegInputs')]
    if tta:
        pipeline = [dict(type='LoadImage'), VERSIONS]
    model = dict(_MODEL)
    run = Runner.from_cfg(
        Config(
            dict(
                model=dict(type='DomainTTAModel', module=model)
                if tta
                else model,
                work_dir=str(folder),
                test_dataloader=dict(
                    batch_size=1,
                    num_workers=0,
                    sampler=dict(type='DefaultSampler', shuffle=False),
                    dataset=photos(folder, pipeline, seg_map_path='labels'),
                ),
                test_cfg=dict(type='TestLoop'),
                test_evaluator=[dict(type=metric) for metric in metrics],
                custom_hooks=[dict(type='LeanPredictionHook')],
                log_level='ERROR',
                default_scope='mmuda',
            )
        )
    )
    return run.test


METRICS = ['DomainIoUMetric', 'EntropyMetric', 'ConfusionMatrixMetric']
CASES = dict(
    test=lambda folder: evaluation(folder, METRICS[:1]),
    metrics=lambda folder: evaluation(folder, METRICS),
    tta=lambda folder: evaluation(folder, METRICS[:1], tta=True),
    softmax_first=lambda folder: labelling(folder, ESL_RULE, 'softmax_first'),
    upsample_first=lambda folder: labelling(
        folder, CONFIDENT, 'upsample_first'
    ),
)


def growth(function):
    # Sets the peak to what there is now.
    Path('/proc/self/clear_refs').write_text('5')
    before = resident_bytes('VmRSS')
    function()
    return resident_bytes('VmHWM') - before


def main(names):
    register_all_modules()
    torch.set_num_threads(1)
    found = {}
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            write_photo(Path(folder))
            torch.manual_seed(0)
            found[name] = growth(CASES[name](Path(folder)))
    print(json.dumps(found))


if __name__ == '__main__':
    main(sys.argv[1:])
