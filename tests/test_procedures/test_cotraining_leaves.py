"""The configs of the procedure against the published parameters."""

from functools import cache
from pathlib import Path

import pytest
from mmengine.config import Config

from mmuda.procedures.cotraining_cycles import CoTraining
from mmuda.procedures.cotraining_options import CoTrainingOptions
from mmuda.registry import MODELS
from mmuda.utils.config_keys import check_config_keys

ROOT = Path(__file__).parents[2] / 'configs' / 'cotraining'
STAGES = ('', 'baseline_', 'final_')
NAMES = sorted(
    path.stem.removeprefix('cotraining_final_')
    for path in ROOT.glob('cotraining_final_*.py')
)
# Kept images, portions of the first, second and last cycle of self-training,
# and those of co-training: table of the released configs.
PUBLISHED = {
    'gta2cs': (100, (0.5, 0.55, 0.7), (0.5, 0.5, 0.5)),
    'synscapes2cs': (100, (0.3, 0.2, 0.2), (0.5, 0.55, 0.7)),
    'synthia2cs': (100, (0.25, 0.3, 0.5), (0.5, 0.5, 0.5)),
    'gta_synscapes2cs': (200, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    'gta_synscapes2bdd': (200, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    'gta_synscapes2mapillary': (200, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}
# Iterations of the baseline, a cycle and the final model; images of the
# source and the target that a batch of a cycle shows.
TRAINING = dict.fromkeys(PUBLISHED, ((60000, 8000, 60000), (1, 3))) | {
    'gta2cs': ((60000, 8000, 60000), (2, 2))
}
for _name in ('cs', 'bdd', 'mapillary'):
    TRAINING[f'gta_synscapes2{_name}'] = ((45000, 8000, 60000), (1, 3))


@cache
def load(name, stage=''):
    return Config.fromfile(ROOT / f'cotraining_{stage}{name}.py')


def options_of(name):
    return CoTrainingOptions.from_config(load(name))


def test_all_settings_are_there():
    assert {*PUBLISHED} <= {*NAMES}


@pytest.mark.parametrize('name', PUBLISHED)
def test_published_number_of_kept_images(name):
    options = options_of(name)
    keep = options.self_training.keep, options.collaboration.keep
    assert keep == (PUBLISHED[name][0],) * 2


@pytest.mark.parametrize('name', PUBLISHED)
def test_published_portions_of_self_training(name):
    options = options_of(name).self_training
    portions = tuple(options.portion_at(cycle) for cycle in (0, 1, 9))
    assert portions == PUBLISHED[name][1]


@pytest.mark.parametrize('name', PUBLISHED)
def test_published_portions_of_cotraining(name):
    options = options_of(name).collaboration
    portions = tuple(options.portion_at(cycle) for cycle in (0, 1, 4))
    assert portions == PUBLISHED[name][2]


@pytest.mark.parametrize('name', PUBLISHED)
def test_published_iterations(name):
    baseline, cycle, final = (
        load(name, stage).train_cfg.max_iters
        for stage in ('baseline_', '', 'final_')
    )
    assert (baseline, cycle, final) == TRAINING[name][0]


@pytest.mark.parametrize('name', PUBLISHED)
def test_published_ratio_in_cycles(name):
    """As many source images more as are pasted."""
    samples = load(name).train_dataloader.dataset.samples
    shown = samples.source - samples.target, samples.target
    assert shown == TRAINING[name][1]


@pytest.mark.parametrize('name', PUBLISHED)
def test_published_ratio_in_the_final_training(name):
    samples = load(name, 'final_').train_dataloader.dataset.samples
    assert (samples.source, samples.target) == TRAINING[name][1]


@pytest.mark.parametrize('name', NAMES)
def test_baseline_sees_four_source_images_alone(name):
    dataset = load(name, 'baseline_').train_dataloader.dataset
    assert (dataset.target, dict(dataset.samples)) == (None, {'source': 4})


@pytest.mark.parametrize('stage', STAGES)
@pytest.mark.parametrize('name', NAMES)
def test_no_key_is_unknown(name, stage):
    check_config_keys(load(name, stage))


@pytest.mark.parametrize('name', NAMES)
def test_stages_share_network_and_classes(name):
    """Weights of one stage are those that the next begins with."""
    networks = []
    for stage in STAGES:
        segmentor = load(name, stage).copy().model.segmentor
        segmentor = segmentor.copy()
        segmentor.decode_head = segmentor.decode_head.copy()
        # may differ between stages, and has no weights
        segmentor.decode_head.pop('dropout_ratio')
        networks.append(segmentor)
    assert networks[0] == networks[1] == networks[2]


@pytest.mark.parametrize('stage', STAGES)
def test_small_network_builds(stage):
    model = MODELS.build(load('carla2camvid', stage).model)
    assert model.num_classes == 10


@pytest.mark.parametrize('name', NAMES)
def test_procedure_has_a_plan(name):
    parts = {s: load(name, s) for s in STAGES}
    procedure = CoTraining(
        options_of(name),
        parts['baseline_'],
        parts[''],
        parts['final_'],
        Path('work'),
    )
    last = procedure.steps()[-1][0]
    assert last.name == 'final/train'


@pytest.mark.parametrize(
    ('name', 'sampled'), [('gta2cs', True), ('synscapes2cs', False)]
)
def test_rare_classes_are_sampled_from_gta_alone(name, sampled):
    kinds = {
        load(name, stage).train_dataloader.dataset.source.type
        == 'RareClassSampling'
        for stage in STAGES
    }
    assert kinds == {sampled}
