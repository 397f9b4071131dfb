# The warm-up of CoaST and MLCL on a small network with weights of ImageNet,
# IDDA at clear noon -> sunset and rain: 200 iterations on the source alone,
# 300 of adaptation. Roots: --data-root source=DIR sunset=DIR rain=DIR, all of
# IDDA
_base_ = [
    '../_base_/networks/aspp_efficientnet-lite0.py',
    '../_base_/methods/warm_up.py',
    '../_base_/settings/idda2cs256.py',
    '../_base_/schedules/small_500_pretrained_warm_up.py',
    '../_base_/default_runtime.py',
]
setting = 'idda_cn2cs_hrn'
model = dict(
    segmentor=dict(type='MultiHeadEncoderDecoder', targets=None),
    warmup_iters=200,
    # stage 1 averages: an average of the warm-up would lack MLCL's new head
    teacher=False,
    predict_on='segmentor',
    discriminator=dict(base_channels=16),
)
default_hooks = dict(checkpoint=dict(interval=500))
