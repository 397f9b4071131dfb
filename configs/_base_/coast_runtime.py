# Stage 1 of CoaST and MLCL: labels of the warm-up, then new ones every 10,000
# iterations. Each target's own head makes them.
_base_ = './default_runtime.py'
# of the same setting; leaves with another network say another one
self_training = dict(
    initial='warm_up_aspp-r101_g2cmi.py',
    label_online=True,
    continue_training=True,
)
load_from = 'work_dirs/mtda/warm_up_aspp-r101_{setting}/iter_60000.pth'
default_hooks = dict(
    consistency=dict(
        type='CollaborativeConsistencyHook',
        refresh=dict(begin=0, interval=10000, end=50000, keep_rounds=1),
    )
)
