# The warm-up of CoaST and MLCL, GTA5 -> Cityscapes, Mapillary Vistas, IDD,
# seven classes.
_base_ = [
    '../_base_/networks/aspp_r101.py',
    '../_base_/methods/warm_up.py',
    '../_base_/settings/coast.py',
    '../_base_/schedules/coast_warm_up.py',
    '../_base_/default_runtime.py',
]
setting = 'g2cmi'
# batch norm of the published network is frozen in the warm-up
model = dict(
    segmentor=dict(
        backbone=dict(
            norm_cfg=dict(type='BN', requires_grad=False), norm_eval=True
        )
    )
)
