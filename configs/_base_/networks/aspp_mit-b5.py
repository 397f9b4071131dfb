# SegFormer's encoder under the head of aspp_r101.py, its four stages
# concatenated at a quarter of the size; images as there. The heads differ
# between revisions of the published code.
_base_ = './aspp_r101.py'
network = dict(
    segmentor=dict(
        backbone=dict(
            _delete_=True,
            type='MiT',
            in_channels=3,
            embed_dims=64,
            num_stages=4,
            num_layers=[3, 6, 40, 3],
            num_heads=[1, 2, 5, 8],
            patch_sizes=[7, 3, 3, 3],
            sr_ratios=[8, 4, 2, 1],
            out_indices=(0, 1, 2, 3),
            mlp_ratio=4,
            qkv_bias=True,
            drop_rate=0.0,
            attn_drop_rate=0.0,
            drop_path_rate=0.1,
            init_cfg=dict(
                type='Pretrained',
                # OpenMMLab's conversion, as in segformer_mit-b5.py
                checkpoint='https://download.openmmlab.com/mmsegmentation/v0.5/'
                'pretrain/segformer/mit_b5_20220624-658746d9.pth',
            ),
        ),
        decode_head=dict(
            in_channels=[64, 128, 320, 512],
            in_index=[0, 1, 2, 3],
            input_transform='resize_concat',
        ),
    )
)
