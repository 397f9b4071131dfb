# Small-data recipe, lower bound: CARLA alone, a small network from random
# weights, on a CPU. Roots: --data-root source=DIR target=DIR
_base_ = [
    '../_base_/networks/deeplabv2_r18_small.py',
    '../_base_/methods/source_only.py',
    '../_base_/settings/carla2camvid.py',
    '../_base_/schedules/small_2000.py',
    '../_base_/default_runtime.py',
]
setting = 'carla2camvid_day'
default_hooks = dict(checkpoint=dict(interval=500))
