"""Outlines of cells: the Cellpose network, label images, exchange with Cellpose's own files. The only room that imports cellpose."""

from core.cells.exchange import read_seg_npy, write_seg_npy
from core.cells.labels import cell_table, confluence, touches_border
from core.cells.segmentation import Segmenter, load_segmenter
from core.cells.weights import check_weights
from core.cells.zoo import ZOO, Zoo

__all__ = [
    "ZOO",
    "Segmenter",
    "Zoo",
    "cell_table",
    "check_weights",
    "confluence",
    "load_segmenter",
    "read_seg_npy",
    "touches_border",
    "write_seg_npy",
]
