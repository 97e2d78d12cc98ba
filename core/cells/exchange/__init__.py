"""Outlines in the files of other programs: Cellpose, ImageJ and Fiji, QuPath, COCO. Label TIFFs are read and written by core.images.

Every format carries every mask exactly, with the number of the cell: gaps in the numbers, cells that touch, holes, parts.
"""

from core.cells.exchange.coco import CocoFile, write_coco
from core.cells.exchange.formats import FORMATS, OUTLINE_SUFFIXES, Format, find_format, read_outlines, several_images
from core.cells.exchange.imagej import read_rois, write_rois
from core.cells.exchange.painting import Outlines
from core.cells.exchange.qupath import read_geojson, write_geojson
from core.cells.exchange.seg_npy import read_seg_npy, write_seg_npy

__all__ = [
    "FORMATS",
    "OUTLINE_SUFFIXES",
    "CocoFile",
    "Format",
    "Outlines",
    "find_format",
    "read_geojson",
    "read_outlines",
    "read_rois",
    "read_seg_npy",
    "several_images",
    "write_coco",
    "write_geojson",
    "write_rois",
    "write_seg_npy",
]
