"""Reading any microscope file, writing images and label images."""

from core.images.labels import read_labels, write_labels
from core.images.preview import preview
from core.images.reading import (
    IMAGE_SUFFIXES,
    ImageInfo,
    Layout,
    Picture,
    Plane,
    full_scale,
    grey,
    inspect,
    planes,
    read,
    write_image,
)

__all__ = [
    "IMAGE_SUFFIXES",
    "ImageInfo",
    "Layout",
    "Picture",
    "Plane",
    "full_scale",
    "grey",
    "inspect",
    "planes",
    "preview",
    "read",
    "read_labels",
    "write_image",
    "write_labels",
]
