"""Runs whose backbone is not in their checkpoints."""

import torch
from tiny_runs import equal, runner, weights
from tiny_transformers import (
    rein_config,
    transformer_file,
    transformer_segmentor,
)

HOOKS = ['NormStatisticsSyncHook', 'IterationSeedHook']


def run(file, folder, iterations, **kwargs):
    model = dict(
        segmentor=transformer_segmentor(rein_config(file)),
        entropy_weights=dict(decode=0.1),
        teacher=dict(momentum=0.6),
    )
    run = runner(folder, iterations, HOOKS, model=model, **kwargs)
    run.train()
    return run


def test_resumed_run_equals_a_whole_one(tmp_path):
    file = transformer_file(tmp_path / 'vit.pth')
    whole = run(file, tmp_path / 'whole', 4)
    run(file, tmp_path / 'parts', 2)
    second = run(file, tmp_path / 'parts', 4, resume=True)
    assert equal(weights(whole), weights(second))
    stored = torch.load(tmp_path / 'parts/iter_4.pth', weights_only=False)
    parts = {
        name.split('.')[2]
        for name in stored['state_dict']
        if name.split('.')[1] == 'backbone'
    }
    assert parts == {'reins', 'vit_checksum'}
    for network in (second.model.segmentor, second.model.teacher):
        read = torch.load(file)
        assert equal(read, network.backbone.vit.state_dict())
