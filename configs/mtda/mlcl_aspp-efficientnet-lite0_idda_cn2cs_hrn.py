# MLCL on a small network with weights of ImageNet, IDDA at clear noon ->
# sunset and rain: 500 iterations after as many of the warm-up, labels made
# twice. Roots: --data-root source=DIR sunset=DIR rain=DIR, all of IDDA
_base_ = [
    '../_base_/networks/aspp_efficientnet-lite0.py',
    '../_base_/methods/mlcl.py',
    '../_base_/settings/idda2cs256.py',
    '../_base_/schedules/small_500_pretrained.py',
    '../_base_/default_runtime.py',
]
setting = 'idda_cn2cs_hrn'
target_images = 'soft_labelled'
self_training = dict(
    initial='warm_up_aspp-efficientnet-lite0_idda_cn2cs_hrn.py',
    label_online=True,
    continue_training=True,
)
load_from = (
    'work_dirs/mtda/warm_up_aspp-efficientnet-lite0_{setting}/iter_500.pth'
)
model = dict(
    segmentor=dict(type='MultiHeadEncoderDecoder', targets=None),
    ensemble_weight=0.05,
)
pseudo_labels = dict(
    # the probabilities of all classes: methods choose pixels themselves
    rule=dict(type='KeepAll'),
    soft_top_k=0,
    original_size=False,
)
default_hooks = dict(
    checkpoint=dict(interval=500),
    consistency=dict(
        type='CollaborativeConsistencyHook',
        refresh=dict(begin=0, interval=250, keep_rounds=1),
    ),
)
