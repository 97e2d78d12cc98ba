"""A task that a small network learns in seconds."""

import torch

from core.classifier.augmentation import Augmentation
from core.classifier.network import build_network

GENTLE = Augmentation(scale=0, shift_px=0, blur_px=0, noise=0.05)


def toy(seed, count=16, size=32):
    """Large and small squares."""
    generator = torch.Generator().manual_seed(seed)
    classes = torch.arange(count) % 2
    crops = torch.zeros(count, 1, size, size)
    for crop, large in zip(crops, classes, strict=True):
        half = 11 if large else 5
        crop[0, 16 - half : 16 + half, 16 - half : 16 + half] = 1 + 0.3 * torch.randn(2 * half, 2 * half, generator=generator)
    return crops, classes


def training(epoch):
    return (toy(100 * epoch + k) for k in range(5))


def validation(_=1):
    return [toy(9000 + k) for k in range(2)]


def network():
    torch.manual_seed(0)
    net = build_network("efficientnet-b0", 32, dropout=0.0, drop_connect=0.0)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 0.2
    return net
