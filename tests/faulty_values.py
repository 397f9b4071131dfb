"""Values that no config may have, by the key that has them."""

import re

NAN, INF = float('nan'), float('inf')
LOADER = 'train_dataloader'
NETWORK = 'model.segmentor.decode_head'
PLAYER = 'optim_wrapper.segmentor'
SOURCE = 'train_dataloader.dataset.source'
POLY = dict(type='PolyLR')
FAULTY = {
    'train_cfg.max_iters': [0, -1, 1.5, '10', None, True, NAN],
    'train_cfg.val_interval': [0, -1, 'x', 2.5],
    'train_cfg.val_begin': [-1, 'x'],
    'train_cfg.by_epoch': ['no', 1],
    'train_cfg': [5, 'x', []],
    'model': [None, 5, 'AdvEnt', []],
    'model.segmentor': [None, 5],
    'model.adversarial_weights': [5, dict(decode='x'), dict(decode=NAN), [1]],
    'model.warmup_iters': [-1, 1.5, 'x'],
    'model.gan': ['hinge', 5],
    f'{NETWORK}.num_classes': [0, -3, 'x', 19.5, None],
    f'{NETWORK}.dropout_ratio': [2, -1, NAN, 'x'],
    f'{NETWORK}.loss_decode.loss_weight': [-1, NAN, 'x', INF],
    f'{NETWORK}.loss_decode.class_weight': [[-1], ['x'], [NAN], 5],
    'model.segmentor.backbone.depth': ['x', None],
    'model.segmentor.test_cfg': [
        *(dict(mode='nothing'), 5),
        *(dict(mode='slide', crop_size=s) for s in [(0, 1), 5, (1, 2, 3)]),
    ],
    'model.data_preprocessor.mean': [[1, 2], 'x', NAN, [NAN, 1, 2]],
    'model.data_preprocessor.std': [[0, 1, 1], [1, 1], 'x', [NAN, 1, 1]],
    'model.data_preprocessor.size_divisor': [0, 'x'],
    'optim_wrapper': [5, []],
    f'{PLAYER}.optimizer.lr': [NAN, INF, -1, 0, 'x', '1e-3', None],
    f'{PLAYER}.optimizer.momentum': [1, -1, NAN, 'x'],
    f'{PLAYER}.optimizer.betas': [(0.9,), (1, 0.9), 0.9, (NAN, 0.9)],
    f'{PLAYER}.optimizer.weight_decay': [-1, NAN, 'x', INF],
    f'{PLAYER}.accumulative_counts': [0, -1, 1.5, 'x'],
    f'{PLAYER}.clip_grad': [dict(max_norm=-1), dict(max_norm=NAN), 5],
    f'{PLAYER}.loss_scale': ['static', 0, -1, NAN],
    f'{PLAYER}.paramwise_cfg': [5, dict(custom_keys=[1])],
    f'{PLAYER}.paramwise_cfg.custom_keys': [dict(a=dict(lr_mult=-1))],
    f'{PLAYER}.type': [5],
    f'{PLAYER}.optimizer': [None, 5],
    'param_scheduler': [
        *(5, 'x', [5]),
        [POLY | dict(begin=10, end=5)],
        [POLY | dict(power='x')],
        [POLY | dict(power=NAN)],
        [POLY | dict(end=0)],
        [POLY | dict(end=2.5)],
        [POLY | dict(begin=INF)],
        [POLY | dict(end=INF, convert_to_iter_based=True)],
        [dict(type='MultiStepLR', milestones='x')],
        [dict(type='MultiStepLR', milestones=[5, 3])],
        dict(segmentor=[POLY | dict(eta_min=-1)]),
    ],
    LOADER: [5, {}, []],
    f'{LOADER}.batch_size': [0, -1, 1.5, 'x', None, 10**9],
    f'{LOADER}.num_workers': [-1, 1.5, 'x', None, 10**6],
    f'{LOADER}.persistent_workers': ['x', 1],
    f'{LOADER}.prefetch_factor': [0, -1, 'x'],
    f'{LOADER}.dataset': [None, 5],
    f'{LOADER}.sampler': [5],
    SOURCE: [5, 'x', [], [5], [{}], dict(type='ConcatDataset', datasets=[])],
    f'{LOADER}.dataset.target': [5, 'x', []],
    f'{LOADER}.dataset.targets': [5, 'x', [], dict(oslo=5)],
    f'{SOURCE}.data_root': [5, ['a']],
    f'{SOURCE}.pipeline': [5, None, [5]],
    f'{SOURCE}.data_prefix': [5, None, dict(img_path=5)],
    f'{SOURCE}.include': ['*', 5],
    'val_dataloader': [5, {}],
    'val_evaluator': [5, 'x'],
    'randomness.seed': [-1, 2**40, 1.5, 'x', NAN],
    'randomness': [5],
    'env_cfg': [5, dict(mp_cfg=dict(mp_start_method='nope'))],
    'default_hooks': [5, [], dict(checkpoint=5)],
    'default_hooks.logger.interval': [0, -2, 'x', 1.5, NAN],
    'default_hooks.checkpoint.interval': [0, -2, 'x', 1.5],
    'default_hooks.checkpoint.max_keep_ckpts': [0, 'x'],
    'custom_hooks': [5, [5], {}],
    'log_processor.window_size': [0, 'x'],
    'log_level': ['LOUD', 5],
    'load_from': [5],
    'resume': ['yes', 5],
    'visualizer': [5],
    'default_scope': [5],
    'work_dir': [5],
    'launcher': ['ssh'],
}
# Of what a whole config is made of.
PROTOCOL = 'protocol.default'
FAULTY_PARTS = {
    'network': [5, 'x', []],
    'method': [5, 'x', []],
    'setting': [None, 5, 'xyz', [], {}],
    'target_images': [5, 'x', []],
    'domains': [5, 'x', []],
    'settings': [5, 'x', []],
    'protocol': [5, 'x', []],
    'domains.gta5': [5, None, []],
    'domains.mapillary.train': [5, None],
    'domains.gta5.dataset': [5, None],
    'domains.cityscapes.val': [5, []],
    'settings.gta2cs': [5, None, []],
    'settings.gta2cs.targets': [5, None, 'x', [5], 'xyz'],
    'settings.gta2cs.source': [5, None, [], 'xyz'],
    'settings.gta2cs.protocol': [5, 'xyz'],
    PROTOCOL: [5, None, []],
    f'{PROTOCOL}.num_classes': [None, 'x', 0, 1.5],
    f'{PROTOCOL}.evaluated': [5, None],
    f'{PROTOCOL}.train_pipeline': [5, None, [5]],
    f'{PROTOCOL}.own_pipeline': [5, [5]],
    f'{PROTOCOL}.label_set': [5, []],
    f'{PROTOCOL}.config': [5, None, []],
    f'{PROTOCOL}.sampling': [5, None],
    f'{PROTOCOL}.metric': [5, None],
    f'{PROTOCOL}.more_metrics': [5, None, [5]],
    f'{PROTOCOL}.one_target': [5, 'x', None],
    f'{PROTOCOL}.exceptions': [5, None, []],
    f'{PROTOCOL}.exceptions.synthia': [5, []],
    f'{PROTOCOL}.exceptions.synthia.val_pipeline': [5, [5]],
}
CASES, CASES_OF_PARTS = (
    [(key, value) for key, values in table.items() for value in values]
    for table in (FAULTY, FAULTY_PARTS)
)


def write_config(path, base, key, value):
    """Write a config that inherits from another and has a value of its own."""
    first, *inner = key.split('.')
    for part in reversed(inner):
        value = {part: value}
    text = re.sub(r'\b(nan|inf)\b', r"float('\1')", repr(value))
    path.write_text(f"_base_ = '{base}'\n{first} = {text}\n")
    return path
