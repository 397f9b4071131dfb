# MIC on HRDA, LoveDA urban -> rural, 7 classes; the other way round by
# --setting.
_base_ = './mic_gta2cs.py'
setting = 'urban2rural'
