# SSL, SYNTHIA -> Cityscapes: as esl_synthia2cs.py with the selection that ESL
# is compared with (BDL, CVPR 2019): keep p >= min(median of the class, 0.9),
# p the probability of the class.
_base_ = [
    '../_base_/networks/deeplabv2_r101.py',
    '../_base_/methods/ssl.py',
    '../_base_/settings/advent.py',
    '../_base_/schedules/advent_adversarial_90k.py',
    '../_base_/default_runtime.py',
]
setting = 'synthia2cs'
self_training = dict(initial='../advent/advent_synthia2cs.py', rounds=1)
