# ESL (CVPRW 2020), GTA5 -> Cityscapes: AdvEnt, trained again from
# ImageNet weights with cross entropy on pseudo-labels of the first AdvEnt.
# Weights as on the source: 1 and, for the auxiliary head, 0.1 (released code).
# The whole recipe: tools/self_train.py with this file.
_base_ = [
    '../_base_/networks/deeplabv2_r101.py',
    '../_base_/methods/esl.py',
    '../_base_/settings/advent.py',
    '../_base_/schedules/advent_adversarial.py',
    '../_base_/default_runtime.py',
]
setting = 'gta2cs'
self_training = dict(initial='../advent/gta2cs.py', rounds=1)
