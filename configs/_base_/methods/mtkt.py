# MTKT (MTAF, ICCV 2021). Weights of the paper at one image of each domain:
# half of Multi-Dis's for each target's discriminator, and the published
# weights of the divergence, which are the defaults.
_base_ = './advent.py'
method = dict(
    type='MTKT',
    targets=None,  # of the setting
    segmentor=dict(type='MultiHeadEncoderDecoder', targets=None),
    adversarial_weights=dict(decode=5e-4, aux=1e-4),
)
