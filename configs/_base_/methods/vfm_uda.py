# VFM-UDA (CVPRW 2024): DACS whose teacher averages over mirror images, and
# MIC on patch tokens, of which 0.7 are masked. Without DAFormer's distance to
# the first features, which helps no foundation model (VFM-UDA++).
# Other than in the published code, which takes torchvision's operations and
# draws for each image, mixed and masked images are changed as in DAFormer's:
# brightness is added, contrast scales about black, whether is drawn for a
# batch, and order and blur of masked images are, too.
method = dict(
    type='DACS',
    # losses of mixed and masked images are means over all pixels, that of the
    # source over the labelled ones
    source_mean='labelled',
    segmentor=dict(decode_head=dict(loss_decode=dict(avg_non_ignore=False))),
    flip_average=True,
    teacher=dict(momentum=0.999),
    terms=[
        dict(
            type='MaskedConsistency',
            block_size='token',
            mask_ratio=0.7,
            # whatever the setting
            mode='target',
        )
    ],
)
