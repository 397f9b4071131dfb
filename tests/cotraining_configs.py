"""Small configs of the co-training procedure, without data."""

from pathlib import Path

from mmengine.config import Config

from mmuda.procedures.cotraining_cycles import CoTraining
from mmuda.procedures.cotraining_options import CoTrainingOptions

ROOT = Path('work')


def procedure_config(**changes) -> Config:
    """A config with the key ``cotraining``; 8 iterations a training."""
    options = dict(
        baseline='baseline.py',
        final='final.py',
        self_training=dict(cycles=3, relabel=2),
        collaboration=dict(cycles=2, relabel=1),
    )
    options.update(changes)
    return Config(
        dict(
            train_cfg=dict(max_iters=8),
            model=dict(type='CoTraining'),
            train_dataloader=dict(
                dataset=dict(
                    source=dict(
                        type='GTA5Dataset',
                        data_prefix=dict(img_path='images'),
                        pipeline=[],
                    ),
                    target=dict(
                        type='CityscapesLabelIdsDataset',
                        pipeline=[dict(type='LoadPseudoLabels')],
                    ),
                )
            ),
            pseudo_labels=dict(rule=dict(type='KeepAll'), pipeline=[]),
            cotraining=options,
        )
    )


def make_plan(given=None, **changes):
    cfg = procedure_config(**changes)
    options = CoTrainingOptions.from_config(cfg)
    procedure = CoTraining(options, cfg, cfg, cfg, ROOT, given)
    return procedure.steps()


def find(steps, name):
    return next(s for step in steps for s in step if s.name == name)


def option(stage, name):
    arguments = list(stage.arguments)
    return arguments[arguments.index(name) + 1]
