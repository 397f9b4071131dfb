default_scope = 'mmuda'
env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50, log_metric_by_epoch=False),
    param_scheduler=dict(type='ParamSchedulerHook'),
    # save_best='cityscapes/mIoU' also keeps the best checkpoint; publications
    # do so, though it selects a model by labels of the target
    checkpoint=dict(type='UDACheckpointHook', interval=2000, max_keep_ckpts=2),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    visualization=dict(type='SegVisualizationHook'),
    prediction=dict(type='LeanPredictionHook'),
)
custom_hooks = [
    dict(type='DataCheckHook'),
    dict(type='IterationSeedHook'),
    dict(type='NormStatisticsSyncHook'),
    dict(type='GracefulStopHook'),
    dict(type='DomainVisualizationHook', interval=1000),
    dict(type='TrainingCurveHook', interval=2000),
    # Against the source-only network that a training begins with, if it does.
    dict(type='HarmReportHook'),
    dict(type='RunReportHook'),
    dict(type='ProgressBarHook'),
]
# TensorBoard: add dict(type='TensorboardVisBackend')
vis_backends = [dict(type='LocalVisBackend')]
# without a name: several runs in one process must not share a visualizer
visualizer = dict(type='SegLocalVisualizer', vis_backends=vis_backends)
log_processor = dict(by_epoch=False)
log_level = 'INFO'
load_from = None
resume = False
randomness = dict(seed=1234)
model_wrapper_cfg = dict(
    type='UDADistributedDataParallel', find_unused_parameters=False
)
