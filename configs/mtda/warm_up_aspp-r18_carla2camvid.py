# The warm-up of CoaST and MLCL, CARLA -> CamVid by day and at dusk: a small
# network from random weights, 400 iterations on the source alone, 600 of
# adaptation. Roots: --data-root source=DIR day=DIR dusk=DIR
_base_ = [
    '../_base_/networks/aspp_r18_small.py',
    '../_base_/methods/warm_up.py',
    '../_base_/settings/carla2camvid_soft.py',
    '../_base_/schedules/small_1000_warm_up.py',
    '../_base_/default_runtime.py',
]
setting = 'carla2camvid'
model = dict(warmup_iters=400, discriminator=dict(base_channels=16))
default_hooks = dict(checkpoint=dict(interval=500))
