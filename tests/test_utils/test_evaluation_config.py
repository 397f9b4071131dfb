from pathlib import Path

import pytest
from mmengine.config import Config

from mmuda.utils.errors import ConfigError
from mmuda.utils.evaluation_config import (
    draw_predictions,
    save_predictions,
    use_checkpoints,
)
from mmuda.utils.tta import use_test_time_augmentation


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path, monkeypatch):
    """Folders are made at once, to see that it is possible."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def cfg():
    return Config(
        dict(
            model=dict(
                type='AdvEnt',
                data_preprocessor=dict(type='DomainDataPreprocessor'),
                segmentor=dict(type='UDAEncoderDecoder'),
            ),
            load_from='weights_to_train_from.pth',
            test_dataloader=dict(dataset=dict(pipeline=['plain'])),
            test_evaluator=dict(type='IoUMetric', prefix='cityscapes'),
        )
    )


def test_one_checkpoint_is_loaded_into_the_model(cfg):
    use_checkpoints(cfg, ['a.pth'])
    assert cfg.load_from == 'a.pth'
    assert cfg.model.type == 'AdvEnt'


def test_several_checkpoints_make_an_ensemble(cfg):
    model = cfg.model.to_dict()
    use_checkpoints(cfg, ['a.pth', 'b.pth'], [0.25, 0.75])
    assert cfg.model.type == 'SegmentorEnsemble'
    assert cfg.model.checkpoints == ['a.pth', 'b.pth']
    assert cfg.model.weights == [0.25, 0.75]
    assert [dict(m) for m in cfg.model.models] == [model, model]
    assert cfg.model.data_preprocessor == model['data_preprocessor']
    assert cfg.load_from is None


def test_members_of_an_ensemble_share_no_config(cfg):
    use_checkpoints(cfg, ['a.pth', 'b.pth'])
    cfg.model.models[0].segmentor.type = 'changed'
    assert cfg.model.models[1].segmentor.type == 'UDAEncoderDecoder'


def test_weights_must_be_as_many_as_checkpoints(cfg):
    with pytest.raises(ConfigError, match='3 checkpoints .* got 2'):
        use_checkpoints(cfg, ['a', 'b', 'c'], [1.0, 2.0])


def test_augmentation_wraps_the_ensemble(cfg):
    cfg.tta_model = dict(type='SegTTAModel')
    cfg.tta_pipeline = ['augmented']
    use_checkpoints(cfg, ['a.pth', 'b.pth'])
    use_test_time_augmentation(cfg)
    assert cfg.model.type == 'SegTTAModel'
    assert cfg.model.module.type == 'SegmentorEnsemble'
    assert cfg.test_dataloader.dataset.pipeline == ['augmented']


def test_augmentation_reaches_each_of_several_data_sets(cfg):
    cfg.tta_model = dict(type='SegTTAModel')
    cfg.tta_pipeline = ['augmented']
    cfg.test_dataloader = [cfg.test_dataloader, cfg.test_dataloader]
    use_test_time_augmentation(cfg)
    pipelines = [loader.dataset.pipeline for loader in cfg.test_dataloader]
    assert pipelines == [['augmented'], ['augmented']]


def test_augmentation_by_a_model_of_the_config(cfg):
    cfg.tta_model = dict(type='SegTTAModel')
    kinds = ('LoadImage', 'Resize', 'LoadLabels', 'PackSegInputs')
    steps = [dict(type=kind) for kind in kinds]
    cfg.test_dataloader.dataset.pipeline = steps
    use_test_time_augmentation(cfg)
    assert cfg.model.type == 'SegTTAModel'
    load, versions = cfg.test_dataloader.dataset.pipeline
    assert load == steps[0]
    shown, packed = versions.transforms[1:]
    assert [step.transforms for step in shown] == [steps[1:3]]
    assert packed == [steps[3]]


@pytest.mark.parametrize(
    ('step', 'half'),
    [
        (dict(type='Resize', scale=(65, 32)), dict(scale=(32, 16))),
        (dict(type='Resize', scale=64), dict(scale=32)),
        (dict(type='Resize', scale_factor=3.0), dict(scale_factor=1.5)),
        (dict(type='ResizeToFit', scale=(64, 32)), dict(scale=(32, 16))),
        (dict(type='PadToSize', size=(64, 32)), dict(size=(32, 16))),
    ],
    ids=['box', 'side', 'factor', 'fit', 'padding'],
)
def test_sizes_are_factors_of_what_the_network_sees(cfg, step, half):
    kinds = ('LoadImage', 'LoadLabels', 'PackSegInputs')
    load, labels, pack = (dict(type=kind) for kind in kinds)
    cfg.test_dataloader.dataset.pipeline = [load, step, labels, pack]
    use_test_time_augmentation(cfg, [1, 0.5])
    versions = cfg.test_dataloader.dataset.pipeline[-1].transforms
    assert [flip.prob for flip in versions[0]] == [0.0, 1.0]
    whole, small = (v.transforms for v in versions[1])
    assert whole == [step, labels]
    assert small == [dict(step, **half), labels]


def test_images_that_are_shown_as_they_are_are_resized_for_sizes(cfg):
    kinds = ('LoadImage', 'LoadLabels', 'PackSegInputs')
    cfg.test_dataloader.dataset.pipeline = [dict(type=k) for k in kinds]
    use_test_time_augmentation(cfg, [0.5])
    (small,) = cfg.test_dataloader.dataset.pipeline[-1].transforms[1]
    resize = dict(type='Resize', scale_factor=0.5, keep_ratio=True)
    assert small.transforms == [resize]


@pytest.mark.parametrize('scale', [0, -1, float('nan')])
def test_sizes_that_are_none(cfg, scale):
    with pytest.raises(ConfigError, match='--tta-scales'):
        use_test_time_augmentation(cfg, [scale])


def test_sizes_beside_a_pipeline_of_the_config(cfg):
    cfg.tta_pipeline = ['augmented']
    with pytest.raises(ConfigError, match='leave one of the two out'):
        use_test_time_augmentation(cfg, [0.5])


@pytest.mark.parametrize('folder', ['out', Path('out')])
def test_predictions_go_into_the_folder(cfg, folder):
    save_predictions(cfg, folder)
    hook = dict(type='PredictionFilesHook', out_dir='out')
    assert cfg.custom_hooks == [hook]


def test_predictions_are_written_once_and_by_key(cfg):
    cfg.test_evaluator = [
        dict(type='DumpResults', out_file_path='x.pkl'),
        dict(type='IoUMetric', output_dir='elsewhere'),
        dict(type='IoUMetric', format_only=True),
    ]
    save_predictions(cfg, 'out')
    assert cfg.test_evaluator[1:] == [
        dict(type='IoUMetric'),
        dict(type='DomainIoUMetric', format_only=True),
    ]


def test_metrics_of_several_data_sets_write_nothing(cfg):
    cfg.test_dataloader = [cfg.test_dataloader, cfg.test_dataloader]
    cfg.test_evaluator = [
        dict(type='IoUMetric', output_dir='a'),
        dict(
            type='Evaluator',
            metrics=[dict(type='IoUMetric', output_dir='b')],
        ),
    ]
    save_predictions(cfg, 'out')
    assert cfg.test_evaluator[0] == dict(type='IoUMetric')
    assert cfg.test_evaluator[1].metrics == [dict(type='IoUMetric')]


def test_hooks_of_the_config_stay(cfg):
    cfg.custom_hooks = [dict(type='DataCheckHook')]
    save_predictions(cfg, 'out')
    draw_predictions(cfg, 'drawings')
    assert [hook.type for hook in cfg.custom_hooks] == [
        'DataCheckHook',
        'PredictionFilesHook',
        'PredictionDrawingHook',
    ]


def test_drawing_works_without_hooks_and_visualizer_in_config(cfg):
    draw_predictions(cfg, 'drawings')
    assert cfg.custom_hooks[0].out_dir == 'drawings'
    assert cfg.visualizer.type == 'LegendVisualizer'


def test_a_visualizer_of_the_user_is_kept(cfg):
    cfg.visualizer = dict(type='MyVisualizer')
    draw_predictions(cfg, 'drawings')
    assert cfg.visualizer.type == 'MyVisualizer'


def test_drawing_in_a_window_keeps_the_visualizer_of_the_config(cfg):
    cfg.visualizer = dict(type='SegLocalVisualizer', alpha=0.5)
    draw_predictions(cfg, show=True, wait_time=3.0)
    assert cfg.custom_hooks == [
        dict(
            type='PredictionDrawingHook',
            out_dir=None,
            show=True,
            wait_time=3.0,
        )
    ]
    assert cfg.visualizer == dict(type='LegendVisualizer', alpha=0.5)
