"""A checkout with the layout of ADVENT's, of a few lines of our own."""

_FILES = {
    'advent/__init__.py': '',
    'advent/domain_adaptation/__init__.py': '',
    'advent/model/__init__.py': '',
    'advent/domain_adaptation/config.py': """
from easydict import EasyDict

cfg = EasyDict()
cfg.GPU_ID = 0
cfg.TRAIN = EasyDict()
cfg.TRAIN.LEARNING_RATE = 0.1
""",
    'advent/model/deeplabv2.py': """
from torch import nn


def get_deeplab_v2(num_classes, multi_level):
    return nn.Conv2d(3, num_classes * (1 + multi_level), 1)
""",
    'advent/domain_adaptation/train_UDA.py': """
import torch
from tensorboardX import SummaryWriter
from torchvision.utils import make_grid
from tqdm import tqdm


def train_domain_adaptation(model, trainloader, targetloader, cfg):
    sizes = cfg.TRAIN.INPUT_SIZE_SOURCE, cfg.TRAIN.INPUT_SIZE_TARGET
    model.train()
    model.to(cfg.GPU_ID)
    optimizer = torch.optim.SGD(model.parameters(), cfg.TRAIN.LEARNING_RATE)
    loaders = enumerate(trainloader), enumerate(targetloader)
    for i_iter in tqdm(range(cfg.TRAIN.EARLY_STOP)):
        optimizer.zero_grad()
        for loader, (width, height) in zip(loaders, sizes):
            _, (images, labels, shapes, names) = next(loader)
            assert images.shape[2:] == labels.shape[1:] == (height, width)
            logits = model(images.cuda(cfg.GPU_ID))[:, : cfg.NUM_CLASSES]
            labels = labels.long().to(logits.get_device())
            torch.nn.functional.cross_entropy(logits, labels).backward()
        optimizer.step()
        tqdm.write(f'{cfg.TRAIN.DA_METHOD} {i_iter}')
""",
}


def write_checkout(folder, **replaced):
    """Write the files; ``train_UDA='...'`` replaces one of a module."""
    for name, text in _FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(replaced.get(path.stem, text))
    return folder
