# Multi-Dis (MTAF, ICCV 2021) on DeepLab-V2, with the weights of AdvEnt for
# each of its discriminators.
_base_ = './advent_r101.py'
model = dict(type='MultiDis', targets=None)  # those of the setting
