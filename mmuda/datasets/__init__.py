# Copyright (c) mmuda authors. Licensed under Apache-2.0.
"""Data sets, transforms and samplers of unsupervised domain adaptation."""

# mmseg's registries are parents of ours, which only find what was imported.
import mmseg.datasets  # noqa: F401

from mmuda.datasets.base import DomainSegDataset
from mmuda.datasets.bdd100k import BDD100KDataset
from mmuda.datasets.checks import (
    check_dataset,
    describe_domains,
    examine_dataset,
    scan_dataset,
)
from mmuda.datasets.cityscapes import CityscapesLabelIdsDataset
from mmuda.datasets.domain_dataset import (
    DomainDataset,
    DomainIndex,
    domain_collate,
)
from mmuda.datasets.folder import CamVidDataset, CARLADataset, FolderDataset
from mmuda.datasets.gta import GTA5Dataset
from mmuda.datasets.idd import IDDDataset
from mmuda.datasets.lab_translation import LabTranslation
from mmuda.datasets.loading import LoadImage, LoadLabels
from mmuda.datasets.mapillary import (
    MapillaryVistasDataset,
    PadToSize,
    ResizeToFit,
)
from mmuda.datasets.path_list import PathListDataset
from mmuda.datasets.pseudo_label_loading import (
    LoadPseudoLabels,
    LoadSoftPseudoLabels,
)
from mmuda.datasets.pseudo_label_store import (
    PseudoLabelManifest,
    check_pseudo_labels,
)
from mmuda.datasets.rare_class_sampling import RareClassSampling
from mmuda.datasets.samplers import DomainInfiniteSampler
from mmuda.datasets.strong_augmentation import Cutout, StrongAugmentation
from mmuda.datasets.synscapes import SynscapesDataset
from mmuda.datasets.synthia import SYNTHIADataset
from mmuda.datasets.transforms import (
    CropFraction,
    EvaluateAtInputSize,
    KeepWeakImage,
    PackDomainInputs,
)

__all__ = [
    'BDD100KDataset',
    'CARLADataset',
    'CamVidDataset',
    'CityscapesLabelIdsDataset',
    'CropFraction',
    'Cutout',
    'DomainDataset',
    'DomainIndex',
    'DomainInfiniteSampler',
    'DomainSegDataset',
    'EvaluateAtInputSize',
    'FolderDataset',
    'GTA5Dataset',
    'IDDDataset',
    'LabTranslation',
    'LoadImage',
    'LoadLabels',
    'LoadPseudoLabels',
    'LoadSoftPseudoLabels',
    'MapillaryVistasDataset',
    'KeepWeakImage',
    'PackDomainInputs',
    'PadToSize',
    'PathListDataset',
    'ResizeToFit',
    'PseudoLabelManifest',
    'RareClassSampling',
    'SYNTHIADataset',
    'StrongAugmentation',
    'SynscapesDataset',
    'check_dataset',
    'check_pseudo_labels',
    'describe_domains',
    'domain_collate',
    'examine_dataset',
    'scan_dataset',
]
