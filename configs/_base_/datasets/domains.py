# Where data sets lie and what belongs to their splits; docs/data_layouts.md
# shows the files. One of your own is one more entry of three lines. The
# protocols in mtaf/ and coast/ turn every entry into a source, a target and a
# validation set.
domains = dict(
    gta5=dict(
        dataset=dict(type='GTA5Dataset', data_root='data/GTA5'),
        train=dict(img_path='images', seg_map_path='labels'),
    ),
    synthia=dict(
        dataset=dict(type='SYNTHIADataset', data_root='data/SYNTHIA'),
        train=dict(img_path='RGB', seg_map_path='GT/LABELS'),
    ),
    cityscapes=dict(
        dataset=dict(
            type='CityscapesLabelIdsDataset', data_root='data/Cityscapes'
        ),
        train=dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train'),
        val=dict(img_path='leftImg8bit/val', seg_map_path='gtFine/val'),
    ),
    mapillary=dict(
        # of v2.0: label_table='mapillary_vistas_v2', and labels in
        # training/v2.0/labels and validation/v2.0/labels
        dataset=dict(
            type='MapillaryVistasDataset', data_root='data/Mapillary'
        ),
        train=dict(img_path='training/images', seg_map_path='training/labels'),
        val=dict(
            img_path='validation/images', seg_map_path='validation/labels'
        ),
    ),
    idd=dict(
        dataset=dict(type='IDDDataset', data_root='data/IDD'),
        train=dict(img_path='leftImg8bit/train', seg_map_path='gtFine/train'),
        val=dict(img_path='leftImg8bit/val', seg_map_path='gtFine/val'),
    ),
    bdd100k=dict(
        dataset=dict(type='BDD100KDataset', data_root='data/BDD100K'),
        train=dict(
            img_path='images/10k/train',
            seg_map_path='labels/sem_seg/masks/train',
        ),
        val=dict(
            img_path='images/10k/val',
            seg_map_path='labels/sem_seg/masks/val',
        ),
    ),
)
metrics = {
    name: dict(type='DomainIoUMetric', iou_metrics=['mIoU'], prefix=name)
    for name in domains
}
# In IDD there is hardly a train. Its IoU of 0 is part of published means over
# 19 classes; the mean over these is given beside.
without_train = [
    'road',
    'sidewalk',
    'building',
    'wall',
    'fence',
    'pole',
    'traffic light',
    'traffic sign',
    'vegetation',
    'terrain',
    'sky',
    'person',
    'rider',
    'car',
    'truck',
    'bus',
    'motorcycle',
    'bicycle',
]
