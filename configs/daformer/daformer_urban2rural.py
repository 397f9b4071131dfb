# DAFormer, LoveDA urban -> rural, 7 classes; the other way round by --setting.
_base_ = './daformer_gta2cs.py'
setting = 'urban2rural'
# from the air there is no own car to leave out
model = dict(ignored_rows=None)
