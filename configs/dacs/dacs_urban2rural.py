# DACS, LoveDA urban -> rural, 7 classes; the other way round by --setting.
_base_ = './dacs_gta2cs.py'
setting = 'urban2rural'
