"""Outlines of cells: the Cellpose network, label images, exchange with other programs. The only room that imports cellpose.

Its modules are imported one by one: looking up the names of the zoo must not load numba or a network.
"""
