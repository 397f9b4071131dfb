# AdvEnt on one target, CARLA -> CamVid at dusk, the recipe of
# advent_deeplabv2-r18_carla2camvid.py. Roots: --data-root source=DIR day=DIR
# dusk=DIR
_base_ = [
    '../_base_/networks/deeplabv2_r18_small.py',
    '../_base_/methods/advent.py',
    '../_base_/settings/carla2camvid.py',
    '../_base_/schedules/small_2000_several_targets.py',
    '../_base_/default_runtime.py',
]
setting = 'carla2dusk'
model = dict(warmup_iters=800, discriminator=dict(base_channels=16))
default_hooks = dict(checkpoint=dict(interval=500))
