"""What a microscope file holds, in plain values: a plane of it, its description, the pixels."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np

from core.errors import InputError

CHOICES = {"C": "channel", "Z": "z", "T": "time", "P": "position"}
"""Axes along which one plane is chosen, in the order of a reference ("#C=1,Z=3,T=0,P=2"), and their names in ``Plane``."""

GUESS_LIMIT = 2**26
"""Bytes: larger planes are not read only to guess their bit depth."""

LUMINANCE = (0.2126, 0.7152, 0.0722)
"""Weights of red, green and blue in the luminance (ITU-R BT.709)."""


@dataclass(frozen=True)
class Plane:
    """One plane of a multi-dimensional file; indices count from 0, None where the file has no such axis."""

    channel: int | None = None
    z: int | None = None
    time: int | None = None
    position: int | None = None

    def index(self, axis: str) -> int | None:
        """The index along "C", "Z", "T" or "P"."""
        value: int | None = getattr(self, CHOICES[axis])
        return value

    def __str__(self) -> str:
        """As in a reference: "C=1,Z=3"; empty where nothing is chosen."""
        return ",".join(f"{axis}={self.index(axis)}" for axis in CHOICES if self.index(axis) is not None)

    @classmethod
    def of(cls, indices: Mapping[str, int]) -> "Plane":
        """From axis letters to indices, e.g. {"C": 1, "Z": 3}."""
        return cls(**{CHOICES[axis]: value for axis, value in indices.items()})


@dataclass(frozen=True)
class Layout:
    """The axes and sizes of one position (scene, series, page) of a file, without the axis P."""

    axes: str
    shape: tuple[int, ...]
    name: str = ""

    @property
    def sizes(self) -> dict[str, int]:
        return dict(zip(self.axes, self.shape, strict=True))

    @property
    def choices(self) -> dict[str, int]:
        """The axes along which one must choose, with their sizes."""
        return {axis: size for axis, size in self.sizes.items() if axis in CHOICES and size > 1}

    @property
    def plane_shape(self) -> tuple[int, ...]:
        """(Y, X) or (Y, X, samples) of one plane."""
        return tuple(size for axis, size in self.sizes.items() if axis in "YXS")


@dataclass(frozen=True)
class ImageInfo:
    """What one image file holds.

    ``axes`` and ``shape`` belong together: P position (or page of unknown meaning), T time, Z focus, C channel,
    Y, X, S samples of a colour. Positions may differ in size: ``layouts`` has one entry a position, and ``shape``
    gives the first one's.
    """

    format: str
    dtype: str
    layouts: tuple[Layout, ...]
    bits: int  # true bit depth; 0 for floating point
    bits_guessed: bool  # True where no metadata say it and the range of the values does
    pixel_size_um: float | None
    channels: tuple[str, ...] | None = None
    times_h: tuple[float, ...] | None = None

    @property
    def axes(self) -> str:
        return "P" * (len(self.layouts) > 1) + self.layouts[0].axes

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.layouts),) * (len(self.layouts) > 1) + self.layouts[0].shape

    @property
    def positions(self) -> tuple[str, ...] | None:
        """Names of the positions, where there are several and they are named."""
        names = tuple(layout.name for layout in self.layouts)
        return names if len(names) > 1 and any(names) else None

    @property
    def needs_choice(self) -> bool:
        return len(self.layouts) > 1 or bool(self.layouts[0].choices)

    @property
    def depth(self) -> str:
        """The bit depth in words, saying where it is a guess."""
        if not self.bits:
            return "floating point"
        return f"{self.bits} bit" + (" (a guess from the largest value)" if self.bits_guessed else "")


@dataclass(frozen=True)
class Picture:
    """One plane: ``pixels`` (Y, X) or (Y, X, 3) as stored, true bit depth (0 for floating point), µm a pixel."""

    pixels: np.ndarray
    bits: int
    pixel_size_um: float | None
    bits_guessed: bool = False


def planes(info: ImageInfo) -> list[Plane]:
    """Every plane that can be chosen, positions first, then in the order of the axes; one empty ``Plane`` for a plain image."""
    found = []
    for position, layout in enumerate(info.layouts):
        at = {"P": position} if len(info.layouts) > 1 else {}
        for index in product(*(range(size) for size in layout.choices.values())):
            found.append(Plane.of(at | dict(zip(layout.choices, index, strict=True))))
    return found


def choose(name: str, layouts: tuple[Layout, ...], plane: Plane | None) -> tuple[int, dict[str, int]]:
    """The position and the index along each of its axes C, Z, T that ``plane`` means.

    Raises
    ------
    InputError
        An axis with several planes is left open, an index lies outside, or the file has no such axis.
    """
    plane = plane or Plane()
    position = _pick(name, layouts, plane, "P", len(layouts))
    layout = layouts[position]
    return position, {axis: _pick(name, layouts, plane, axis, layout.sizes.get(axis, 1), position) for axis in "CZT"}


def _pick(name: str, layouts: tuple[Layout, ...], plane: Plane, axis: str, size: int, position: int = 0) -> int:
    wanted = plane.index(axis)
    if wanted is None and size > 1:
        raise InputError(f"{name} holds several planes ({describe(layouts, position)}). {_how(name, layouts, position)}")
    if wanted is None:
        return 0
    if size == 1 and wanted != 0:
        raise InputError(f"{name}: wanted {axis}={wanted}, but the file has no axis {axis} ({describe(layouts, position)}).")
    if not 0 <= wanted < size:
        raise InputError(f"{name}: wanted {axis}={wanted}, found {axis} from 0 to {size - 1} ({describe(layouts, position)}).")
    return wanted


def describe(layouts: tuple[Layout, ...], position: int = 0) -> str:
    """E.g. "axes ZCYX: Z 5, C 2, 1024 x 1024 px"."""
    layout = layouts[position]
    sizes = ({"P": len(layouts)} if len(layouts) > 1 else {}) | layout.choices
    axes = "P" * (len(layouts) > 1) + layout.axes
    height, width = layout.plane_shape[:2]
    return f"axes {axes}: " + ", ".join([*(f"{axis} {size}" for axis, size in sizes.items()), f"{height} x {width} px"])


def _how(name: str, layouts: tuple[Layout, ...], position: int) -> str:
    axes = [axis for axis in CHOICES if (axis == "P" and len(layouts) > 1) or axis in layouts[position].choices]
    example = ",".join(f"{axis}=0" for axis in axes)
    return f'Choose one plane, counted from 0, by adding for example "#{example}" to the name: {name}#{example}'


def grey(picture: Picture) -> np.ndarray:
    """float32 (Y, X) in the units of the pixels; the luminance (ITU-R BT.709) of a colour image."""
    pixels = picture.pixels
    if pixels.ndim == 2:
        return pixels.astype(np.float32)
    out = np.zeros(pixels.shape[:2], np.float32)
    for sample, weight in enumerate(LUMINANCE):
        out += np.float32(weight) * pixels[..., sample]
    return out


def full_scale(picture: Picture) -> float:
    """The value of white: 2**bits - 1; for floating point 1.0 where all values lie in [0, 1], else the largest value."""
    if picture.bits:
        return float(2**picture.bits - 1)
    low, high = float(picture.pixels.min()), float(picture.pixels.max())
    return high if high > 1.0 or (low < 0.0 < high) else 1.0


def plane_bytes(layout: Layout, dtype: np.dtype) -> int:
    return prod(layout.plane_shape) * dtype.itemsize
