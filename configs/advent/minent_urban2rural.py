# MinEnt, LoveDA urban -> rural, 7 classes; the other way round by --setting.
_base_ = './minent_gta2cs.py'
setting = 'urban2rural'
