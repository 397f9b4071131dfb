# AdvEnt on the merged targets, on a small network with weights of ImageNet,
# IDDA at clear noon -> sunset and rain: 300 iterations on the source alone,
# then adaptation. Roots: --data-root source=DIR
# sunset=DIR rain=DIR, all of IDDA
_base_ = [
    '../_base_/networks/aspp_efficientnet-lite0.py',
    '../_base_/methods/advent.py',
    '../_base_/settings/idda2cs256.py',
    '../_base_/schedules/small_1000_pretrained_adversarial.py',
    '../_base_/default_runtime.py',
]
setting = 'idda_cn2cs_hrn'
model = dict(warmup_iters=300, discriminator=dict(base_channels=16))
default_hooks = dict(checkpoint=dict(interval=500))
