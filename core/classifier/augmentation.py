"""Random changes of crops that leave their class: orientation, size, light, focus."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Augmentation:
    """How far a crop may be changed; each crop draws its own values."""

    rotate: bool = True  # through any angle, and mirrored or not
    scale: float = 0.1  # magnification between 1 / (1 + scale) and 1 + scale
    shift_px: float = 4.0
    contrast: float = 0.2  # factor between 1 - contrast and 1 + contrast
    brightness: float = 0.2  # added to the cell, not to the black around it, in units of the training spread
    blur_px: float = 1.0  # largest standard deviation of a Gaussian blur
    noise: float = 0.1  # largest standard deviation of added noise, in units of the training spread

    def __call__(self, crops: Tensor, generator: torch.Generator) -> Tensor:
        """Change crops (N, 1, S, S) float32, black (0) outside the cell; new crops of the same shape, on the same device.

        One interpolation does rotation, mirroring, magnification and shift. ``generator`` is the CPU's: a seed draws the same
        values for every device.
        """

        def draw(low: float, high: float) -> Tensor:
            return (low + (high - low) * torch.rand(len(crops), generator=generator)).to(crops.device)

        out = _turned(crops, *self._pose(draw, crops.shape[-1]))
        if self.blur_px > 0:
            out = _blurred(out, draw(0.0, self.blur_px))
        inside = out != 0
        light = draw(1 - self.contrast, 1 + self.contrast), draw(-self.brightness, self.brightness)
        out = out * _column(light[0]) + _column(light[1])
        if self.noise > 0:
            out = out + _noise(out, generator) * _column(draw(0.0, self.noise))
        return out * inside

    def _pose(self, draw, size: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:  # type: ignore[no-untyped-def]
        half = size / 2
        angle = draw(0.0, 2 * math.pi if self.rotate else 0.0)
        mirror = torch.sign(draw(-1.0, 1.0)) if self.rotate else torch.ones(len(angle))
        zoom = torch.exp(draw(-math.log1p(self.scale), math.log1p(self.scale)))
        reach = self.shift_px / half
        return angle, torch.where(mirror < 0, -1.0, 1.0), zoom, draw(-reach, reach), draw(-reach, reach)


def _noise(like: Tensor, generator: torch.Generator) -> Tensor:
    if like.device.type == "cpu":
        return torch.randn(like.shape, generator=generator)
    seed = int(torch.randint(2**31, (1,), generator=generator))
    return torch.randn(like.shape, generator=torch.Generator(like.device).manual_seed(seed), device=like.device)


def _column(values: Tensor) -> Tensor:
    return values[:, None, None, None]


def _turned(crops: Tensor, angle: Tensor, mirror: Tensor, zoom: Tensor, dy: Tensor, dx: Tensor) -> Tensor:
    cosine, sine = torch.cos(angle) / zoom, torch.sin(angle) / zoom
    rows = torch.stack([cosine * mirror, -sine, dx]), torch.stack([sine * mirror, cosine, dy])
    poses = torch.stack(rows).permute(2, 0, 1)
    grid = F.affine_grid(poses, list(crops.shape), align_corners=False)
    return F.grid_sample(crops, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def _blurred(crops: Tensor, sigma: Tensor) -> Tensor:
    """Blur each crop by its own Gaussian, within the cell: black stays black."""
    reach = max(1, math.ceil(2.5 * float(sigma.max())))
    x = torch.arange(-reach, reach + 1, dtype=torch.float32, device=crops.device)
    kernel = torch.exp(-(x**2) / (2 * sigma.clamp(min=1e-3)[:, None] ** 2))
    kernel = kernel / kernel.sum(dim=1, keepdim=True)
    stack = crops.transpose(0, 1)  # one channel a crop, so that one grouped convolution blurs them all
    count = len(crops)
    stack = F.conv2d(stack, kernel[:, None, :, None], padding=(reach, 0), groups=count)
    stack = F.conv2d(stack, kernel[:, None, None, :], padding=(0, reach), groups=count)
    return stack.transpose(0, 1) * (crops != 0)
