"""A training of the co-training procedure continues exactly."""

import pytest
from cotraining_models import batch, config
from mmengine.runner import Runner
from tiny_runs import METAINFO, equal, hooks_of, training, weights
from torch.utils.data import Dataset

HOOKS = ['IterationSeedHook']
WRAPPER = dict(type='mmuda.models.UDADistributedDataParallel')


class TinyPseudoLabels(Dataset):
    """Four items of one random sample of each domain."""

    metainfo = METAINFO

    def __len__(self):
        return 4

    def __getitem__(self, index):
        data = batch(1, 1, seed=index)
        return {
            key: {domain: items[0] for domain, items in value.items()}
            for key, value in data.items()
        }


def runner(work_dir, iterations, hooks, **kwargs):
    model = config(class_mix=dict(classes='random'))
    model['segmentor']['decode_head']['dropout_ratio'] = 0.5
    parts = training(
        iterations, 1, 'UDATrainLoop', TinyPseudoLabels(), 0, None
    )
    parts['train_dataloader']['batch_size'] = 2
    return Runner(
        model=model,
        work_dir=str(work_dir),
        experiment_name=str(work_dir).strip('/').replace('/', '_'),
        log_processor=dict(by_epoch=False),
        log_level='WARNING',
        randomness=dict(seed=7),
        default_scope='mmuda',
        cfg=dict(model_wrapper_cfg=WRAPPER),
        **parts,
        **hooks_of(hooks, None),
        **kwargs,
    )


@pytest.mark.parametrize(('hooks', 'exact'), [(HOOKS, True), ([], False)])
def test_resumed_run_equals_a_whole_one(tmp_path, hooks, exact):
    whole = runner(tmp_path / 'whole', 4, hooks)
    whole.train()
    runner(tmp_path / 'parts', 2, hooks).train()
    second = runner(tmp_path / 'parts', 4, hooks, resume=True)
    second.train()
    assert equal(weights(whole), weights(second)) is exact
