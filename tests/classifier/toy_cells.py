"""A task that a small network learns in seconds."""

import torch

from core.classifier.augmentation import Augmentation

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
