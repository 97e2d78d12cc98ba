"""TIFF of every kind: OME, ImageJ hyperstacks, BigTIFF, tiled or striped, compressed, any pixel type (reader: tifffile)."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TypeVar

import numpy as np
from tifffile import TiffFile, TiffFrame, TiffPage, TiffPageSeries

from core.errors import InputError
from core.images import axes, depth, photometric, tiff_metadata
from core.images.files import broken, check_size, guarded
from core.images.picture import GUESS_LIMIT, ImageInfo, Layout, Picture, Plane, choose, plane_bytes

T = TypeVar("T")

_RGB, _YCBCR = 2, 6  # photometric interpretations
_ALPHA = {1, 2}  # ExtraSamples: associated, unassociated

_FATAL = re.compile(r"corrupted tag list|invalid offset to page|invalid page offset|incompletely written|metadata invalid or corrupted")
_messages: ContextVar[list[str] | None] = ContextVar("tifffile_messages", default=None)


class _Listener(logging.Handler):
    """tifffile logs what it repairs or leaves out; a page list that breaks off must not pass as a shorter file."""

    def emit(self, record: logging.LogRecord) -> None:
        heard = _messages.get()
        if heard is not None:
            heard.append(record.getMessage())


logging.getLogger("tifffile").addHandler(_Listener())
logging.getLogger("tifffile").propagate = False  # heard above, and turned into an InputError where it matters


@dataclass(frozen=True)
class _Source:
    """One position of the file: where its planes lie in a tifffile series."""

    series: TiffPageSeries
    lead: axes.Lead  # over pages
    at: tuple[int, ...]  # index along the "P" axes of ``lead``
    layout: Layout


def inspect(path: Path) -> ImageInfo:
    """Describe a TIFF; pixels are read only where a 16-bit file does not state its bit depth."""
    with _opened(path) as tif:
        sources = _sources(path, tif)
        first = sources[0].series.keyframe
        dtype = _dtype(path, first)
        about = tiff_metadata.of(tif, sources[0].series)
        stated, guessed = _stated(dtype, first, about), False
        if photometric.is_inverted(first) and not stated:
            stated = int(first.bitspersample)  # white is the largest value that can be stored
        if dtype.kind in "iu" and dtype.itemsize > 1 and not stated:
            if plane_bytes(sources[0].layout, dtype) <= GUESS_LIMIT:
                stated, guessed = depth.true_bits(_raw(path, tif, sources[0], 0), None)
            else:
                stated, guessed = dtype.itemsize * 8, True
        bits = 0 if dtype.kind == "f" else stated or (1 if dtype.kind == "b" else 8)
        return ImageInfo(
            format="TIFF",
            dtype="uint8" if dtype.kind == "b" else dtype.name,
            layouts=tuple(source.layout for source in sources),
            bits=bits,
            bits_guessed=guessed,
            pixel_size_um=about.pixel_size_um,
            channels=_if_one_each(about.channels, sources[0].layout, "C"),
            times_h=_if_one_each(about.times_h, sources[0].layout, "T"),
        )


def read(path: Path, plane: Plane | None, as_stored: bool = False) -> Picture:
    """Read one plane.

    Parameters
    ----------
    plane : which one; may be empty where the file holds one only
    as_stored : keep the numbers as they are (label images): no colour map, no inversion of "minimum is white"

    Returns
    -------
    Picture with pixels (Y, X) or (Y, X, samples), native byte order, any real dtype; 1 bit becomes uint8 0 and 1.
    """
    with _opened(path) as tif:
        sources = _sources(path, tif)
        position, index = choose(path.name, tuple(source.layout for source in sources), plane)
        source = sources[position]
        keyframe = source.series.keyframe
        about = tiff_metadata.of(tif, source.series)
        pixels = _raw(path, tif, source, axes.flat(source.lead, source.at, index))
        if pixels.ndim == 3 and "S" not in source.layout.axes:
            pixels = np.ascontiguousarray(pixels[..., index["C"]])
        if photometric.has_colormap(keyframe) and not as_stored:
            return Picture(photometric.coloured(pixels, np.asarray(keyframe.colormap)), 8, about.pixel_size_um)
        stated = _stated(_dtype(path, keyframe), keyframe, about)
        if photometric.is_inverted(keyframe) and not as_stored:
            stated = stated if stated and int(pixels.max()) < 2**stated else int(keyframe.bitspersample)
            pixels = photometric.inverted(path, pixels, stated)
        bits, guessed = depth.true_bits(pixels, stated)
        pixels = pixels.view(np.uint8) if pixels.dtype == bool else pixels
        return Picture(pixels, bits, about.pixel_size_um, guessed)


@contextmanager
def _opened(path: Path) -> Iterator[TiffFile]:
    heard: list[str] = []
    token = _messages.set(heard)
    try:
        # One file only: an OME file may name siblings, which need not be there nor be the user's.
        with guarded(path), TiffFile(path, _multifile=False) as tif:
            if not len(tif.pages) or not tif.series:
                raise broken(path, "it has no image in it")
            fatal = next((message for message in heard if _FATAL.search(message)), None)
            if fatal:
                raise broken(path, re.sub(r"^<[^>]*>\s*", "", fatal))
            yield tif
    finally:
        _messages.reset(token)


def _sources(path: Path, tif: TiffFile) -> list[_Source]:
    series = [s for s in tif.series if any(page is not None for page in s.pages)]
    series = [s for s in series if not s.keyframe.is_reduced] or series  # thumbnails
    found = [source for s in series for source in _of_series(path, s)]
    if not found:
        raise broken(path, "it has no image in it")
    if len(series) == 1:
        return found
    return [_Source(s.series, s.lead, s.at, Layout(s.layout.axes, s.layout.shape, s.series.name or "")) for s in found]


def _of_series(path: Path, series: TiffPageSeries) -> list[_Source]:
    page = series.keyframe
    photometric.refuse_unknown(path, page)
    _, deep, height, width, _ = page.shaped
    samples = page.samplesperpixel
    if deep > 1 or height * width < 1:
        raise InputError(f"{path.name}: wanted pages of (Y, X) pixels, found {page.axes} {page.shape}.")
    count = prod(series.get_shape(squeeze=False)) // (height * width * samples)
    lead = [(axis, size) for axis, size in zip(series.get_axes(squeeze=False), series.get_shape(squeeze=False), strict=True) if axis not in "YXS"]
    if samples > 1 and lead and prod(size for _, size in lead) == count * samples:
        lead.pop()  # the samples of a page were declared as channels
    if prod(size for _, size in lead) != count or (len(series.pages) < count and series.dataoffset is None):
        raise broken(path, f"axes {series.axes} {series.shape} do not fit its {len(series.pages)} pages")
    colour = page.photometric in (_RGB, _YCBCR) and samples in (3, 4)
    veiled = samples == 2 and bool(_ALPHA & set(page.extrasamples))
    inside = [("C", samples)] if samples > 1 and not (colour or veiled) else []
    named = axes.named(lead, "C" if inside else "")
    keep = axes.kept(named) + inside + [("Y", height), ("X", width)]
    keep += [("S", samples)] if colour or veiled else [("S", 3)] if photometric.has_colormap(page) else []
    layout = Layout("".join(axis for axis, _ in keep), tuple(size for _, size in keep))
    return [_Source(series, named, at, layout) for at in axes.places(named)]


def _raw(path: Path, tif: TiffFile, source: _Source, key: int) -> np.ndarray:
    """Pixels (Y, X) or (Y, X, samples) of page ``key`` of the series, native byte order, own memory."""
    series = source.series
    page = series.keyframe
    split, _, height, width, samples = page.shaped
    dtype = _dtype(path, page)
    nbytes = height * width * page.samplesperpixel * dtype.itemsize
    check_size(path, height, width, nbytes)
    if series.dataoffset is not None and page.bitspersample == 8 * dtype.itemsize:
        # Uncompressed and contiguous: also the way to planes of ImageJ stacks over 4 GB, which have one page only.
        offset = series.dataoffset + key * nbytes
        _check_end(path, offset + nbytes)
        dtype = dtype.newbyteorder(tif.byteorder)
        pixels = np.fromfile(path, dtype, nbytes // dtype.itemsize, offset=offset)
    else:
        chosen = series.pages[key]
        if chosen is None:
            raise InputError(f"{path.name}: this plane is not in the file (it lies in another file of the set, or was never recorded).")
        _check_segments(path, chosen)
        pixels = np.asarray(chosen.asarray(squeeze=False))
    pixels = pixels.reshape(split, height, width, samples)
    pixels = np.moveaxis(pixels[..., 0], 0, -1) if split > 1 else pixels[0]
    pixels = pixels[..., 0] if pixels.shape[-1] == 1 else pixels
    return np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("="))


def _dtype(path: Path, page: TiffPage) -> np.dtype:
    if page.dtype is None or page.dtype.kind not in "biuf":
        raise InputError(f"{path.name}: wanted whole or decimal numbers, found {page.bitspersample} bits a sample of format {page.sampleformat}.")
    return page.dtype


def _check_segments(path: Path, page: TiffPage | TiffFrame) -> None:
    missing = sum(count == 0 for count in page.databytecounts)
    if missing or not page.dataoffsets:
        raise broken(path, f"{missing or 'all'} of its {len(page.databytecounts)} strips or tiles are missing")
    _check_end(path, max(offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)))


def _check_end(path: Path, end: int) -> None:
    size = path.stat().st_size
    if end > size:
        raise broken(path, f"its pixels should end at byte {end}, the file ends at byte {size}")


def _stated(dtype: np.dtype, page: TiffPage, about: tiff_metadata.About) -> int | None:
    """Bit depth by packed storage, OME or ImageJ metadata, the MaxSampleValue tag, or a description."""
    storage = dtype.itemsize * 8
    if dtype.kind in "iu" and 1 < page.bitspersample < storage:
        return int(page.bitspersample)
    return about.bits if about.bits and about.bits <= storage else None


def _if_one_each(values: tuple[T, ...] | None, layout: Layout, axis: str) -> tuple[T, ...] | None:
    """Metadata may describe more planes than lie in this file."""
    return values if values and len(values) == layout.sizes.get(axis) else None
