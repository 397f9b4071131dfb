"""Training with several samples of a domain in one batch."""

import demo_data
import pytest
import torch
from mmengine.dataset import default_collate
from mmengine.runner import Runner

from mmuda.datasets import domain_collate
from mmuda.engine import UDATrainLoop
from mmuda.models import DomainDataPreprocessor
from mmuda.registry import LOOPS
from mmuda.utils.compat import load_checkpoint_file
from mmuda.utils.errors import ConfigError
from mmuda.utils.setup_env import register_all_modules
from street_scenes import write_synscapes

RATIO = dict(source=3, target=2)


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    register_all_modules()
    folder = demo_data.write(tmp_path_factory.mktemp('data'))
    options = dict(size=demo_data.SIZE, workers=1, progress=False)
    write_synscapes(folder / 'Synscapes', 3, **options)
    return folder


def runner(data, work_dir, **changes):
    cfg = demo_data.config(
        data,
        work_dir,
        **{
            'train_dataloader.batch_size': 1,
            'train_dataloader.dataset.samples': RATIO,
            'train_cfg.max_iters': 2,
            **changes,
        },
    )
    cfg.custom_hooks = [dict(type='DomainVisualizationHook', interval=1)]
    return Runner.from_cfg(cfg)


# By its name: the config files that mmengine 0.10.7 writes hold no classes.
@LOOPS.register_module()
class Recorded(UDATrainLoop):
    """Notes the number of samples of each domain."""

    def run_iter(self, data_batch):
        self.sizes = {k: len(v) for k, v in data_batch['inputs'].items()}
        super().run_iter(data_batch)


def test_loop_chooses_how_to_collate(data, tmp_path):
    run = runner(
        data,
        tmp_path,
        **{
            'train_cfg.type': 'Recorded',
            'val_cfg': None,
            'val_dataloader': None,
            'val_evaluator': None,
        },
    )
    run.train()
    assert run.train_loop.dataloader.collate_fn is domain_collate
    assert run.train_loop.sizes == RATIO
    drawn = sorted(p.name for p in tmp_path.rglob('iter_2_*.png'))
    assert drawn == ['iter_2_source.png', 'iter_2_target.png']


def test_chosen_function_is_kept(data, tmp_path):
    changes = {'train_dataloader.collate_fn': dict(type='default_collate')}
    run = runner(data, tmp_path, **changes)
    loop = run.build_train_loop(run._train_loop)
    assert loop.dataloader.collate_fn.func is default_collate


def two_sources(data):
    """GTA5 and Synscapes with random crops."""
    pipeline = [
        dict(type='LoadImage'),
        dict(type='LoadLabels'),
        dict(type='RandomCrop', crop_size=(40, 80)),
        dict(type='RandomFlip', prob=0.5),
        dict(type='PackDomainInputs'),
    ]
    return [
        dict(
            type='GTA5Dataset',
            data_root=str(data / 'GTA5'),
            data_prefix=dict(img_path='images', seg_map_path='labels'),
            pipeline=pipeline,
        ),
        dict(
            type='SynscapesDataset',
            data_root=str(data / 'Synscapes'),
            data_prefix=dict(img_path='img/rgb', seg_map_path='img/class'),
            pipeline=pipeline,
        ),
    ]


def trained_weights(data, work_dir, resume_from=None):
    """Weights after three iterations, or one and two more."""
    cfg = demo_data.config(data, work_dir)
    cfg.train_dataloader.batch_size = 1
    cfg.train_dataloader.dataset.samples = RATIO
    cfg.train_dataloader.dataset.source = two_sources(data)
    cfg.train_cfg.update(max_iters=3, val_interval=10)
    cfg.default_hooks.checkpoint.interval = 1
    if resume_from is not None:
        cfg.resume, cfg.load_from = True, str(resume_from)
    Runner.from_cfg(cfg).train()
    return load_checkpoint_file(str(work_dir / 'iter_3.pth'))['state_dict']


def test_two_sources_continue_as_if_never_stopped(data, tmp_path):
    whole = trained_weights(data, tmp_path / 'whole')
    first = tmp_path / 'whole' / 'iter_1.pth'
    continued = trained_weights(data, tmp_path / 'continued', first)
    assert whole.keys() == continued.keys()
    assert all(torch.equal(whole[k], continued[k]) for k in whole)


def test_batch_of_items_that_nobody_collated():
    images = [[torch.zeros(3, 4, 4)] * 2] * 3
    preprocessor = DomainDataPreprocessor()
    with pytest.raises(ConfigError, match=r"'source'.*domain_collate"):
        preprocessor(
            dict(inputs=dict(source=images), data_samples=dict(source=images))
        )
