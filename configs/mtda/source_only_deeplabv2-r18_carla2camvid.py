# Lower bound: CARLA alone, evaluated on CamVid by day and at dusk; a small
# network from random weights, on a CPU. Roots: --data-root source=DIR day=DIR
# dusk=DIR
_base_ = [
    '../_base_/networks/deeplabv2_r18_small.py',
    '../_base_/methods/source_only.py',
    '../_base_/settings/carla2camvid.py',
    '../_base_/schedules/small_2000.py',
    '../_base_/default_runtime.py',
]
setting = 'carla2camvid'
default_hooks = dict(checkpoint=dict(interval=500))
