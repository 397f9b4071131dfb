# DACS (WACV 2021) as DAFormer's code trains it: mixed images with changed
# colours, and a teacher whose momentum is 0.99 at most.
method = dict(type='DACS', teacher=dict(momentum=0.99))
