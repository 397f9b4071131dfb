# ESL (CVPRW 2020), SYNTHIA -> Cityscapes, 16 classes; see
# esl_gta2cs.py.
_base_ = [
    '../_base_/networks/deeplabv2_r101.py',
    '../_base_/methods/esl.py',
    '../_base_/settings/advent.py',
    '../_base_/schedules/advent_adversarial_90k.py',
    '../_base_/default_runtime.py',
]
setting = 'synthia2cs'
self_training = dict(initial='../advent/advent_synthia2cs.py', rounds=1)
