# As vfm_uda.py with rates that fall from block to block by 0.9, as in
# VFM-UDA++ (of ViT-B, with 12 blocks).
_base_ = './vfm_uda.py'


def _rates(blocks, factor=0.1, decay=0.9):
    """Multipliers of a transformer's parts, the lowest for its first."""
    first = factor * decay**blocks
    rates = {
        f'backbone.blocks.{number}.': factor * decay ** (blocks - 1 - number)
        for number in range(blocks)
    }
    stem = ('cls_token', 'mask_token', 'pos_embed', 'patch_embed.', 'norm.')
    rates |= {f'backbone.{name}': first for name in stem}
    return {key: dict(lr_mult=rate) for key, rate in rates.items()}


optim_wrapper = dict(
    segmentor=dict(
        paramwise_cfg=dict(
            custom_keys=dict(_delete_=True, **_rates(blocks=12))
        )
    )
)
