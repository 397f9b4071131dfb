# Where data sets lie and what belongs to their splits; docs/data_layouts.md
# shows the files. One of your own is one more entry, here or in a config of
# yours. A protocol beside this file says how images are shown; it makes of
# every entry a source, a target and a validation set.
domains = dict(
    gta5=dict(
        dataset=dict(type='GTA5Dataset', data_root='data/GTA5'),
        train=dict(img_path='images', seg_map_path='labels'),
    ),
    synthia=dict(
        dataset=dict(type='SYNTHIADataset', data_root='data/SYNTHIA'),
        train=dict(img_path='RGB', seg_map_path='GT/LABELS'),
    ),
    synscapes=dict(
        dataset=dict(type='SynscapesDataset', data_root='data/Synscapes'),
        train=dict(img_path='img/rgb-2k', seg_map_path='img/class'),
    ),
    urbansyn=dict(
        dataset=dict(type='UrbanSynDataset', data_root='data/UrbanSyn'),
        train=dict(img_path='rgb', seg_map_path='ss'),
    ),
    carla=dict(
        # recordings of your own, of any version
        dataset=dict(type='CARLATagsDataset', data_root='data/CARLA_raw'),
        train=dict(img_path='rgb', seg_map_path='semantic'),
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
    acdc=dict(
        # * is the condition, with which keys begin: include=['night/*'] in
        # train or val takes one of the four
        dataset=dict(type='ACDCDataset', data_root='data/ACDC'),
        train=dict(img_path='rgb_anon/*/train', seg_map_path='gt/*/train'),
        val=dict(img_path='rgb_anon/*/val', seg_map_path='gt/*/val'),
        metric=dict(group_by='[^/]+'),
    ),
    dark_zurich=dict(
        dataset=dict(type='DarkZurichDataset', data_root='data/DarkZurich'),
        # as published methods do, without twilight and day
        train=dict(img_path='rgb_anon/train', include=['night/*']),
        val=dict(img_path='rgb_anon/val', seg_map_path='gt/val'),
    ),
    # towns and country from the air
    **{
        f'loveda_{part.lower()}': dict(
            dataset=dict(type='LoveDADataset', data_root='data/LoveDA'),
            train=dict(
                img_path=f'Train/{part}/images_png',
                seg_map_path=f'Train/{part}/masks_png',
            ),
            val=dict(
                img_path=f'Val/{part}/images_png',
                seg_map_path=f'Val/{part}/masks_png',
            ),
        )
        for part in ('Urban', 'Rural')
    },
)
# Of the features from which DAFormer's term keeps the distance: ImageNet knows
# no other thing of these classes.
_from_the_air = dict(
    protocol='land_cover',
    terms=dict(FeatureDistance=dict(things=['building'])),
)
# From which domain to which, and options of terms that hold for the pair where
# a method does not say them. A name is followed by a variant of the protocol
# if need be: g2cmi_19 has nineteen classes.
settings = dict(
    gta2cs=dict(source='gta5', targets=['cityscapes']),
    # the upper bound of source only: the target with its labels as the source
    cs=dict(source='cityscapes', targets=['cityscapes']),
    gta2mapillary=dict(source='gta5', targets=['mapillary']),
    synthia2cs=dict(source='synthia', targets=['cityscapes']),
    synscapes2cs=dict(source='synscapes', targets=['cityscapes']),
    urbansyn2cs=dict(source='urbansyn', targets=['cityscapes']),
    carla2cs=dict(source='carla', targets=['cityscapes']),
    # MIC from clear to adverse weather: half of the masked images are those of
    # the source, with its labels, and no colours are changed.
    cs2acdc=dict(
        source='cityscapes',
        targets=['acdc'],
        terms=dict(MaskedConsistency=dict(mode='separate')),
    ),
    cs2darkzurich=dict(
        source='cityscapes',
        targets=['dark_zurich'],
        terms=dict(MaskedConsistency=dict(mode='separate')),
    ),
    urban2rural=dict(
        source='loveda_urban', targets=['loveda_rural'], **_from_the_air
    ),
    rural2urban=dict(
        source='loveda_rural', targets=['loveda_urban'], **_from_the_air
    ),
    gta_synscapes2cs=dict(
        source=['gta5', 'synscapes'], targets=['cityscapes']
    ),
    gta_synscapes2bdd=dict(source=['gta5', 'synscapes'], targets=['bdd100k']),
    gta_synscapes2mapillary=dict(
        source=['gta5', 'synscapes'], targets=['mapillary']
    ),
    g2c=dict(source='gta5', targets=['cityscapes']),
    g2m=dict(source='gta5', targets=['mapillary']),
    g2i=dict(source='gta5', targets=['idd']),
    g2ci=dict(source='gta5', targets=['cityscapes', 'idd']),
    g2cm=dict(source='gta5', targets=['cityscapes', 'mapillary']),
    g2mi=dict(source='gta5', targets=['mapillary', 'idd']),
    g2cmi=dict(source='gta5', targets=['cityscapes', 'mapillary', 'idd']),
    g2cmbi=dict(
        source='gta5', targets=['cityscapes', 'mapillary', 'bdd100k', 'idd']
    ),
    s2cmi=dict(source='synthia', targets=['cityscapes', 'mapillary', 'idd']),
    c2m=dict(source='cityscapes', targets=['mapillary']),
    c2i=dict(source='cityscapes', targets=['idd']),
    c2mi=dict(source='cityscapes', targets=['mapillary', 'idd']),
    i2c=dict(source='idd', targets=['cityscapes']),
    i2m=dict(source='idd', targets=['mapillary']),
    i2cm=dict(source='idd', targets=['cityscapes', 'mapillary']),
    m2c=dict(source='mapillary', targets=['cityscapes']),
    m2i=dict(source='mapillary', targets=['idd']),
    m2ci=dict(source='mapillary', targets=['cityscapes', 'idd']),
)
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
# Classes of SYNTHIA; and those without wall, fence and pole.
sixteen = [
    'road',
    'sidewalk',
    'building',
    'wall',
    'fence',
    'pole',
    'traffic light',
    'traffic sign',
    'vegetation',
    'sky',
    'person',
    'rider',
    'car',
    'bus',
    'motorcycle',
    'bicycle',
]
thirteen = [
    'road',
    'sidewalk',
    'building',
    'traffic light',
    'traffic sign',
    'vegetation',
    'sky',
    'person',
    'rider',
    'car',
    'bus',
    'motorcycle',
    'bicycle',
]
