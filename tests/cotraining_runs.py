"""The co-training procedure on toy streets, short enough for tests."""

import demo_data

CONFIG = demo_data.ROOT / 'configs' / 'cotraining' / 'cotraining_demo.py'
TRAININGS = {
    'train_cfg.max_iters': 2,
    'train_cfg.val_interval': 2,
    'model.segmentor.backbone.base_channels': 8,
    'model.segmentor.backbone.stem_channels': 8,
    'model.segmentor.decode_head.in_channels': 32,
    'model.segmentor.decode_head.c1_in_channels': 8,
    'default_hooks.logger.interval': 1,
}
# An untrained network is sure of nothing: 1/19 is the least confidence.
CYCLES = {
    f'cotraining.{part}.{key}': value
    for part in ('self_training', 'collaboration')
    for key, value in dict(sample=4, keep=3, low=0.0).items()
}


def words(data, work_dir, *more, changes=()):
    """Command line of tools/cotrain.py, without Python and the tool."""
    options = TRAININGS | CYCLES | dict(changes)
    return [
        str(CONFIG),
        *('--work-dir', str(work_dir)),
        *('--data-root', f'source={data / "GTA5"}'),
        f'target={data / "Cityscapes"}',
        *more,
        '--cfg-options',
        *(f'{key}={value}' for key, value in options.items()),
    ]
