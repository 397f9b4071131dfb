# AdvEnt with the class-ratio prior on VGG-16, SYNTHIA -> Cityscapes.
# Published: 31.4 mIoU on 16 and 36.6 on 13 classes. Neither the code nor the
# weight of the prior was released; 1.0 is our choice, mu = 0.5 is recalled
# from the paper. Write the ratios first: tools/misc/class_statistics.py with
# --ratios (see README.md).
_base_ = [
    '../_base_/networks/deeplabv2_vgg16.py',
    '../_base_/methods/advent.py',
    '../_base_/settings/advent.py',
    '../_base_/schedules/advent_adversarial_90k.py',
    '../_base_/default_runtime.py',
]
setting = 'synthia2cs'
model = dict(
    terms=[
        dict(
            type='ClassRatioPrior',
            ratio='data/class_ratios/{setting}.json',
            weight=1.0,
            relaxation=0.5,
        )
    ],
)
