# AdvEnt on the merged targets, CARLA -> CamVid by day and at dusk: 800
# iterations on the source alone, then adaptation with a small weight. Roots:
# --data-root source=DIR day=DIR dusk=DIR
_base_ = [
    '../_base_/networks/deeplabv2_r18_small.py',
    '../_base_/methods/advent.py',
    '../_base_/settings/carla2camvid.py',
    '../_base_/schedules/small_2000_several_targets.py',
    '../_base_/default_runtime.py',
]
setting = 'carla2camvid'
model = dict(warmup_iters=800, discriminator=dict(base_channels=16))
default_hooks = dict(checkpoint=dict(interval=500))
