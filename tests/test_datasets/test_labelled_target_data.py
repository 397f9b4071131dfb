"""A few labelled images of a target: data, configs and a short training."""

import math

import demo_data
import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from tiny_models import model_config, segmentor_config
from toy_images import LOAD, RANDOM, domain_configs, folder_config, make_folder

from mmuda.datasets import (
    DomainDataset,
    DomainIndex,
    DomainInfiniteSampler,
    domain_collate,
)
from mmuda.datasets.learned_images import learned_and_evaluated
from mmuda.engine.runner import UDARunner
from mmuda.registry import DATASETS, MODELS
from mmuda.reports.training_samples import training_loader
from mmuda.utils.config import load_config
from mmuda.utils.config_data import data_sets, override_data_roots
from mmuda.utils.errors import ConfigError, DataError
from street_scenes import write_cityscapes, write_gta5

SIZE = (96, 48)
DOMAIN = 'labelled_target'


@pytest.fixture
def configs(tmp_path):
    few = make_folder(tmp_path / 'few', 'ab')
    found = domain_configs(tmp_path)
    return found | {DOMAIN: folder_config(few, pipeline=LOAD + RANDOM)}


def test_it_is_the_last_domain_and_has_labels(configs):
    dataset = DomainDataset(**configs, samples=dict(labelled_target=2))
    assert list(dataset.domains) == ['source', 'target', DOMAIN]
    item = dataset[DomainIndex((0, 1, (0, 1)), 3)]
    batch = domain_collate([item])
    assert [s.key for s in batch['data_samples'][DOMAIN]] == ['a', 'b']
    assert all('gt_sem_seg' in s for s in batch['data_samples'][DOMAIN])
    assert 'gt_sem_seg' not in batch['data_samples']['target'][0]


def test_other_domains_have_the_samples_of_a_training_without(configs):
    few = DomainDataset(**configs)
    plain = DomainDataset(source=configs['source'], target=configs['target'])
    draws = [DomainInfiniteSampler(part, seed=4) for part in (few, plain)]
    for position in range(12):
        index, other = (draw.index_at(position) for draw in draws)
        assert index.indices[:2] == other.indices
        items = few[index], plain[other]
        for domain in ('source', 'target'):
            ours, theirs = (item['inputs'][domain] for item in items)
            assert torch.equal(ours, theirs)


def test_evaluated_images_whose_labels_are_learned_are_told(configs):
    dataset = DomainDataset(**configs)
    few = dataset.domains[DOMAIN]
    target = DATASETS.build(configs['target'])
    (line,) = learned_and_evaluated(dataset, dict(val=few, test=target))
    assert line.startswith('2 images of val are learned with their labels')
    assert [*learned_and_evaluated(dataset, dict(test=target))] == []


def test_the_name_is_taken(configs):
    targets = {DOMAIN: configs['target']}
    with pytest.raises(ConfigError, match="called 'labelled_target'"):
        DomainDataset(source=configs['source'], targets=targets)


def test_rare_classes_are_drawn_more_often(configs, tmp_path):
    folder = make_folder(tmp_path / 'more', 'abcdefg')
    make_folder(folder, 'z', ids=1)
    few = folder_config(folder, pipeline=LOAD + RANDOM)
    rare = dict(
        type='RareClassSampling',
        dataset=few,
        temperature=0.5,
        min_pixels=1,
        statistics=str(tmp_path / 'counts.json'),
    )
    # exp((1 - 1/8) / 0.5) of the sum with exp((1 - 7/8) / 0.5)
    share = 1 / (1 + math.exp((1 / 8 - 7 / 8) / 0.5))
    for part, expected in ((rare, share), (few, 1 / 8)):
        dataset = DomainDataset(**configs | {DOMAIN: part})
        sampler = DomainInfiniteSampler(dataset, seed=0)
        items = (dataset[sampler.index_at(k)] for k in range(240))
        drawn = [item['data_samples'][DOMAIN].key for item in items]
        assert drawn.count('z') / 240 == pytest.approx(expected, abs=0.08)


def of(root, **more):
    return dict(type='FolderDataset', data_root=root, **more)


def test_folders_of_the_target_are_its_own_too():
    data = dict(source=of('s'), target=of('t'), labelled_target=of('t'))
    cfg = Config(
        dict(
            train_dataloader=dict(dataset=data),
            val_dataloader=dict(dataset=of('t')),
        )
    )
    override_data_roots(cfg, dict(target='new'))
    found = {k: v['data_root'] for k, v in data_sets(cfg).items()}
    assert found == dict(
        source='s', target='new', labelled_target='new', val='new'
    )
    override_data_roots(cfg, dict(target='other', labelled_target='few'))
    found = {k: v['data_root'] for k, v in data_sets(cfg).items()}
    assert found == dict(
        source='s', target='other', labelled_target='few', val='other'
    )


def test_labelled_images_go_with_the_part_in_whose_folder_they_lie():
    data = dict(
        source=of('s'), target=[of('a'), of('b')], labelled_target=of('b')
    )
    cfg = Config(
        dict(
            train_dataloader=dict(dataset=data),
            val_dataloader=dict(dataset=of('a')),
        )
    )
    # As if it were all at once: what moves to b is not of b.
    override_data_roots(cfg, {'target.0': 'b', 'target.1': 'c'})
    data = cfg.train_dataloader.dataset
    assert [part.data_root for part in data.target] == ['b', 'c']
    assert data.labelled_target.data_root == 'c'
    assert cfg.val_dataloader.dataset.data_root == 'b'


def test_a_missing_folder_of_sampled_images_is_of_their_domain(configs):
    lost = dict(configs[DOMAIN], data_root='/nowhere')
    few = dict(type='RareClassSampling', dataset=lost, min_pixels=1)
    for dataset in (lost, [lost]):
        with pytest.raises(DataError) as caught:
            DomainDataset(**configs | {DOMAIN: dict(few, dataset=dataset)})
        assert str(caught.value).startswith("domain 'labelled_target': data_r")


def test_a_setting_names_the_domain():
    path = demo_data.ROOT / (
        'configs/dacs/dacs_efficientnet-lite0_idda2cs256_few.py'
    )
    data = load_config(path).train_dataloader.dataset
    few = data[DOMAIN]
    assert few.data_prefix == dict(img_path='images', seg_map_path='labels')
    assert few.include == ['*_000004_*', '*_000010_*', '*_000020_*']
    assert [step.type for step in few.pipeline[:2]] == [
        *('LoadImage', 'LoadLabels')
    ]
    assert 'seg_map_path' not in data.target.data_prefix
    rare = load_config(path, {'setting': 'idda2cs256_few_rare'})
    few = rare.train_dataloader.dataset[DOMAIN]
    assert few.type == 'RareClassSampling'
    assert 'include' in few.dataset


OWN_CITY = """
_base_ = '{base}'
domains = dict(
    my_city=dict(
        dataset=dict(type='FolderDataset', data_root='data/my_city'),
        train=dict(img_path='train'),
        few=dict(img_path='train', seg_map_path='labels'),
        val=dict(img_path='val', seg_map_path='val_labels'),
    )
)
settings = dict(
    few=dict(source='gta5', targets=['my_city'], labelled_target='my_city')
)
setting = 'few'
"""


def own_city(tmp_path, leaf, more=''):
    path = tmp_path / 'my_city.py'
    base = demo_data.ROOT / f'configs/{leaf}.py'
    path.write_text(OWN_CITY.format(base=base) + more)
    return load_config(path).train_dataloader.dataset


@pytest.mark.parametrize(
    'leaf', ['advent/gta2cs', 'dacs/dacs_gta2cs', 'vfm/vfm_uda_gta2cs']
)
def test_a_setting_shows_it_as_the_source_in_the_size_of_the_target(
    tmp_path, leaf
):
    data = own_city(tmp_path, leaf)
    few, source = (
        part.get('dataset', part).pipeline
        for part in (data[DOMAIN], data.source)
    )
    assert [s.type for s in few] == [s.type for s in source]
    (size,) = (step for step in data.target.pipeline if 'scale' in step)
    (place,) = (k for k, step in enumerate(few) if 'scale' in step)
    assert few[place] == size
    assert source[place].scale != size.scale


def test_steps_of_its_own_come_first(tmp_path):
    steps = "[dict(type='LoadImage'), dict(type='LoadLabels')]"
    more = f'protocol = dict(default=dict(few_pipeline={steps}))\n'
    few = own_city(tmp_path, 'dacs/dacs_gta2cs', more)[DOMAIN]
    assert [step.type for step in few.pipeline] == ['LoadImage', 'LoadLabels']


def test_steps_beside_rare_class_sampling_are_refused(tmp_path):
    steps = "pipeline=[dict(type='LoadImage')]"
    for inner, fault in ((steps, True), (f'dataset=dict({steps})', False)):
        data = f'dataset=dict({DOMAIN}=dict({inner}))'
        more = f'train_dataloader = dict({data})\n'
        if fault:
            with pytest.raises(ConfigError, match=r"takes no 'pipeline'"):
                own_city(tmp_path, 'daformer/daformer_gta2cs', more)
        else:
            found = own_city(tmp_path, 'daformer/daformer_gta2cs', more)
            assert found[DOMAIN].dataset.pipeline == [dict(type='LoadImage')]


def test_a_setting_whose_domain_has_no_few_images():
    path = demo_data.ROOT / 'configs/dacs/dacs_gta2cs.py'
    with pytest.raises(ConfigError, match=r'domains\.cityscapes\.few=None'):
        load_config(path, {'settings.gta2cs.labelled_target': 'cityscapes'})


# Generated streets


@pytest.fixture(scope='module')
def streets(tmp_path_factory):
    folder = tmp_path_factory.mktemp('streets')
    options = dict(size=SIZE, workers=1, progress=False)
    write_gta5(folder / 'GTA5', 12, **options)
    counts = dict(train=16, val=8)
    write_cityscapes(folder / 'Cityscapes', counts, True, **options)
    return folder


def pipeline(*last, labels=True):
    steps = [dict(type='LoadImage')]
    steps += [dict(type='LoadLabels')] if labels else []
    steps.append(dict(type='Resize', scale=SIZE, keep_ratio=False))
    return [*steps, *last, dict(type='PackDomainInputs')]


def street_config(folder, few, split='train', labels=True):
    """Training data; of the target eight images have labels, if wanted."""
    prefix = dict(img_path=f'leftImg8bit/{split}')
    if labels:
        prefix['seg_map_path'] = f'gtFine/{split}'
    target = dict(
        type='CityscapesLabelIdsDataset',
        label_set='seven_class',
        data_root=str(folder / 'Cityscapes'),
    )
    source = dict(
        type='GTA5Dataset',
        label_set='seven_class',
        data_root=str(folder / 'GTA5'),
        data_prefix=dict(img_path='images', seg_map_path='labels'),
        pipeline=pipeline(),
    )
    data = dict(
        type='DomainDataset',
        source=source,
        target=dict(
            target,
            data_prefix=dict(img_path='leftImg8bit/train'),
            pipeline=pipeline(labels=False),
        ),
    )
    if few:
        data['samples'] = dict(labelled_target=2)
        data[DOMAIN] = dict(
            target,
            data_prefix=prefix,
            include=['*_000000_*', '*_000001_*'],
            pipeline=pipeline(dict(type='RandomFlip', prob=0.5)),
        )
    return data


def street_model(**options):
    segmentor = segmentor_config(affine=True)
    for head in ('decode_head', 'auxiliary_head'):
        segmentor[head]['num_classes'] = 7
    return model_config('MinEnt', segmentor=segmentor, **options)


def error_on_target(folder, few, iterations=25):
    """Cross entropy on validation images of the target after a training."""
    torch.manual_seed(0)
    model = MODELS.build(street_model())
    model.init_weights()
    model.train()
    loader = training_loader(
        Config(
            dict(
                train_dataloader=dict(
                    batch_size=2,
                    num_workers=0,
                    sampler=dict(type='DomainInfiniteSampler'),
                    dataset=street_config(folder, few),
                )
            )
        ),
        seed=0,
    )
    adam = dict(type='OptimWrapper', optimizer=dict(type='Adam', lr=3e-3))
    wrappers = build_optim_wrapper(model, adam)
    for _, data in zip(range(iterations), loader, strict=False):
        model.train_step(data, wrappers)
    config = street_config(folder, True, 'val')[DOMAIN]
    dataset = DATASETS.build(config | dict(include=['*']))
    model.eval()
    losses = []
    with torch.no_grad():
        for index in range(len(dataset)):
            item = dataset[index]
            data = dict(inputs=[item['inputs']], data_samples=[])
            images = model.data_preprocessor(data)['inputs']
            logits = model.upsample(
                model.segmentor(images, heads=('decode',)).logits['decode'],
                images,
            )
            label = item['data_samples'].gt_sem_seg.data.long()
            losses.append(F.cross_entropy(logits, label, ignore_index=255))
    return float(torch.stack(losses).mean())


def test_a_few_labels_lower_the_error_on_the_target(streets):
    without, few = (error_on_target(streets, k) for k in (False, True))
    assert few < 0.95 * without


def run(folder, work_dir, iterations, resume=False):
    cfg = demo_data.config(folder, work_dir, 'minent')
    cfg.train_dataloader.dataset = street_config(folder, True)
    cfg.model = street_model(labelled_target_weight=0.7)
    cfg.train_cfg.max_iters = iterations
    cfg.custom_hooks = [
        dict(type='IterationSeedHook'),
        dict(type='DataCheckHook', strict=False),
    ]
    for part in ('dataloader', 'cfg', 'evaluator'):
        cfg[f'val_{part}'] = cfg[f'test_{part}'] = None
    cfg.resume = resume
    runner = UDARunner.from_cfg(cfg)
    runner.train()
    return runner.model.state_dict()


def test_a_resumed_run_equals_one_that_never_stopped(streets, tmp_path):
    whole = run(streets, tmp_path / 'whole', 4)
    run(streets, tmp_path / 'parts', 2)
    parts = run(streets, tmp_path / 'parts', 4, resume=True)
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
