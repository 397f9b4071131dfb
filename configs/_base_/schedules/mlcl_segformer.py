# Optimisation of MLCL's stage 1 with SegFormer: AdamW 6e-5 with ten times that
# for the agnostic head, polynomial decay (0.9) over 60,000 iterations.
_base_ = './coast.py'
optim_wrapper = dict(
    segmentor=dict(
        optimizer=dict(
            _delete_=True,
            type='AdamW',
            lr=6e-5,
            betas=(0.9, 0.999),
            weight_decay=1e-2,
        )
    )
)
