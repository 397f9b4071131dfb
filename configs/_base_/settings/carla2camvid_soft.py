# As carla2camvid.py, with the pipelines and labels of CoaST and MLCL.
_base_ = './carla2camvid.py'
settings = dict(carla2camvid=dict(protocol='soft'))
