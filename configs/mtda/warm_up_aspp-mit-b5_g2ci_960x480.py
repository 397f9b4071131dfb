# The warm-up of CoaST and MLCL, GTA5 -> Cityscapes, IDD, seven classes, on
# SegFormer (MiT-B5).
_base_ = [
    '../_base_/models/warm_up_r101.py',
    '../_base_/models/aspp_other_backbones.py',
    '../_base_/settings/coast.py',
    '../_base_/schedules/coast_warm_up.py',
    '../_base_/default_runtime.py',
]
setting = 'g2ci_960x480'
model = dict(
    segmentor=dict(
        backbone=dict(_delete_=True, **_base_.mit_b5.backbone),
        decode_head=_base_.mit_b5.decode_head,
    ),
)
