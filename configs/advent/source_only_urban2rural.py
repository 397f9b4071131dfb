# Source only, LoveDA urban -> rural, 7 classes; the other way round by
# --setting.
_base_ = './source_only_gta2cs.py'
setting = 'urban2rural'
