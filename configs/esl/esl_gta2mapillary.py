# ESL (CVPRW 2020), GTA5 -> Mapillary Vistas, seven classes; see
# esl_gta2cs.py. Labels have the size of the image without its padding, so they
# are loaded between the two.
_base_ = [
    '../_base_/networks/deeplabv2_r101.py',
    '../_base_/methods/esl.py',
    '../_base_/settings/advent.py',
    '../_base_/schedules/advent_adversarial.py',
    '../_base_/default_runtime.py',
]
setting = 'gta2mapillary'
self_training = dict(initial='../advent/advent_gta2mapillary.py', rounds=1)
