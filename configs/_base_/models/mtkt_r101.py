# MTKT (MTAF, ICCV 2021) on DeepLab-V2. Weights of the paper at one image of
# each domain: half of Multi-Dis's for each target's discriminator. The
# divergence, averaged over pixels and classes in the released code, has
# weight 1 and, divided by the number of targets, 0.1; here it is summed over
# classes, so the leaves divide both by their number.
_base_ = './advent_r101.py'
model = dict(
    type='MTKT',
    segmentor=dict(type='MultiHeadEncoderDecoder'),
    adversarial_weights=dict(decode=5e-4, aux=1e-4),
)
