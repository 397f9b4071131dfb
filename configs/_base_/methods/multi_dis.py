# Multi-Dis (MTAF, ICCV 2021), with the weights of AdvEnt for each of its
# discriminators.
_base_ = './advent.py'
method = dict(type='MultiDis', targets=None)  # those of the setting
