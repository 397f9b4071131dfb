# Small-data recipe, MinEnt: 800 iterations on the source alone, then
# adaptation with a small weight. Roots: --data-root source=DIR target=DIR
_base_ = [
    '../_base_/networks/deeplabv2_r18_small.py',
    '../_base_/methods/minent.py',
    '../_base_/settings/carla2camvid.py',
    '../_base_/schedules/small_2000.py',
    '../_base_/default_runtime.py',
]
setting = 'carla2camvid_day'
model = dict(
    warmup_iters=800,
    # ten times the published ones
    entropy_weights=dict(decode=1e-2, aux=2e-3),
)
default_hooks = dict(checkpoint=dict(interval=500))
