# The same as gta2cs.py, under the name that the other leaves follow.
_base_ = './gta2cs.py'
