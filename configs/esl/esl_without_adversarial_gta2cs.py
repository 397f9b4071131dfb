# As esl_gta2cs.py without the adversarial loss: source only, its labels by
# entropy, then cross entropy on both domains.
_base_ = [
    '../_base_/networks/deeplabv2_r101.py',
    '../_base_/methods/esl_without_adversarial.py',
    '../_base_/settings/advent.py',
    '../_base_/schedules/advent.py',
    '../_base_/default_runtime.py',
]
setting = 'gta2cs'
self_training = dict(initial='../advent/source_only_gta2cs.py', rounds=1)
