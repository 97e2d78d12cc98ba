"""Senescope: senescence of living MSC cultures from phase-contrast images. This package imports no streamlit."""

__version__ = "0.1.0"
