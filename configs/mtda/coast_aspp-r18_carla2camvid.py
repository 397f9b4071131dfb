# CoaST, CARLA -> CamVid by day and at dusk: 1,000 iterations after as many of
# the warm-up, labels made twice. Roots: --data-root source=DIR day=DIR
# dusk=DIR
_base_ = [
    '../_base_/networks/aspp_r18_small.py',
    '../_base_/methods/coast.py',
    '../_base_/settings/carla2camvid_soft.py',
    '../_base_/schedules/small_1000.py',
    '../_base_/default_runtime.py',
]
setting = 'carla2camvid'
self_training = dict(
    initial='warm_up_aspp-r18_carla2camvid.py',
    label_online=True,
    continue_training=True,
)
load_from = 'work_dirs/mtda/warm_up_aspp-r18_carla2camvid/iter_1000.pth'
default_hooks = dict(
    checkpoint=dict(interval=500),
    consistency=dict(
        type='CollaborativeConsistencyHook',
        refresh=dict(begin=0, interval=500, keep_rounds=1),
    ),
)
