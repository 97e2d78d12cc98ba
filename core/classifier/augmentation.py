"""Random changes of crops that leave their class: orientation, size, light, focus."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from core.classifier.vision import transforms


@dataclass(frozen=True)
class Augmentation:
    """How far a crop may be changed; each crop draws its own values.

    Turning, mirroring, magnifying and blurring are those of torchvision (transforms v2). Its changes of light are not used: they
    clip to 0..1, and normalised crops lie around 0.
    """

    rotate: bool = True  # through any angle, and mirrored or not
    scale: float = 0.1  # magnification between 1 / (1 + scale) and 1 + scale
    shift_px: float = 4.0
    contrast: float = 0.2  # factor between 1 - contrast and 1 + contrast
    brightness: float = 0.2  # added to the cell, not to the black around it, in units of the training spread
    blur_px: float = 1.0  # largest standard deviation of a Gaussian blur
    noise: float = 0.1  # largest standard deviation of added noise, in units of the training spread

    def __call__(self, crops: Tensor, generator: torch.Generator) -> Tensor:
        """Change crops (N, 1, S, S) float32, black (0) outside the cell; new crops of the same shape, on the same device.

        Black stays black, and so does what comes in from beyond the crop. ``generator`` is the CPU's: a seed draws the same
        values for every device.
        """

        def draw(low: float, high: float) -> Tensor:
            return low + (high - low) * torch.rand(len(crops), generator=generator)

        poses = self._poses(draw)
        sigmas = draw(0.0, self.blur_px)
        out = torch.stack([_blurred(_posed(crop, *pose), sigma) for crop, pose, sigma in zip(crops, poses, sigmas.tolist(), strict=True)])
        inside = out != 0
        out = out * _column(draw(1 - self.contrast, 1 + self.contrast), out) + _column(draw(-self.brightness, self.brightness), out)
        if self.noise > 0:
            out = out + _noise(out, generator) * _column(draw(0.0, self.noise), out)
        return out * inside

    def _poses(self, draw: Any) -> list[list[float]]:
        """Angle in degrees, mirrored where positive, magnification, shift down and to the right in px: a row a crop."""
        half_turn, mirror = (180.0, 1.0) if self.rotate else (0.0, 0.0)
        zoom = torch.exp(draw(-math.log1p(self.scale), math.log1p(self.scale)))
        shift = draw(-self.shift_px, self.shift_px), draw(-self.shift_px, self.shift_px)
        rows: list[list[float]] = torch.stack([draw(-half_turn, half_turn), draw(-mirror, mirror), zoom, *shift], dim=1).tolist()
        return rows


def _posed(crop: Tensor, angle: float, mirror: float, zoom: float, down: float, right: float) -> Tensor:
    vision = transforms()
    crop = vision.horizontal_flip(crop) if mirror > 0 else crop
    if (angle, zoom, down, right) == (0.0, 1.0, 0.0, 0.0):
        return crop
    return vision.affine(crop, angle, [right, down], zoom, [0.0, 0.0], interpolation="bilinear")


def _blurred(crop: Tensor, sigma: float) -> Tensor:
    """Blurred within the cell, along one axis and then the other: black stays black."""
    if sigma < 0.1:  # the neighbours' weight is below 1e-21
        return crop
    side, blur = 2 * math.ceil(2.5 * sigma) + 1, transforms().gaussian_blur
    return blur(blur(crop, [side, 1], [sigma] * 2), [1, side], [sigma] * 2) * (crop != 0)


def _noise(like: Tensor, generator: torch.Generator) -> Tensor:
    if like.device.type == "cpu":
        return torch.randn(like.shape, generator=generator)
    seed = int(torch.randint(2**31, (1,), generator=generator))
    return torch.randn(like.shape, generator=torch.Generator(like.device).manual_seed(seed), device=like.device)


def _column(values: Tensor, like: Tensor) -> Tensor:
    return values.to(like.device)[:, None, None, None]
