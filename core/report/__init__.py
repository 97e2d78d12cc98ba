"""Tables on disk, pictures with calls, charts, the HTML report. ``figures`` is imported where charts are drawn: it loads Plotly."""

from core.report.archive import write_zip, zip_product
from core.report.csv_files import csv_bytes, read_csv, write_csv
from core.report.html import html_report
from core.report.overlay import jpeg, overlay

__all__ = ["csv_bytes", "html_report", "jpeg", "overlay", "read_csv", "write_csv", "write_zip", "zip_product"]
