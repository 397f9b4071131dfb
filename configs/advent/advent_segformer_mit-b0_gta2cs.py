# AdvEnt on SegFormer (MiT-B0), GTA5 -> Cityscapes, one level. No published
# result; the weight is that of ADVENT's main head.
_base_ = [
    '../_base_/networks/segformer_mit-b0.py',
    '../_base_/methods/advent.py',
    '../_base_/settings/advent.py',
    '../_base_/schedules/segformer_40k.py',
    '../_base_/default_runtime.py',
]
setting = 'gta2cs'
