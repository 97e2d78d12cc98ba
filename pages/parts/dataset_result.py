"""A finished dataset on the page: what is in it, what to beware of, its crops, downloads."""

import tempfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from core.dataset.folders import picture_of
from core.dataset.split import SPLITS, unit_of
from core.report import csv_bytes, zip_product
from core.report.words import count
from core.stages.crop_folders import export_folder
from core.stages.datasets import open_dataset
from core.workspace import Experiment, Product
from pages.parts import address
from pages.parts.charts import show_chart
from pages.parts.dataset_pictures import contact_sheet, crop_size_chart
from pages.parts.dataset_plan import SETS, choose_culture, how_many, of_culture, show_counts, show_warnings
from pages.parts.failures import show_failures
from pages.parts.results import how_made

SHOWN = 24


def show_dataset(experiment: Experiment, product: Product) -> None:
    """Headline, warnings, tabs."""
    data = open_dataset(product.path)
    report = data.report
    show_counts(report["counts"])
    show_warnings(report["warnings"])
    with st.container(horizontal=True):
        stem = f"{experiment.name} {product.id}"
        st.download_button("manifest.csv", data=lambda: csv_bytes(data.manifest), file_name=f"{stem} manifest.csv", mime="text/csv", on_click="ignore")
        st.download_button(
            "Crops as PNG folders (ZIP)", data=lambda: pictures(product.path), file_name=f"{stem} crops.zip", mime="application/zip", on_click="ignore"
        )
        if (address.PAGES / "train.py").is_file() and st.button("Train on this dataset", type="primary", icon=":material/play_arrow:"):
            address.open_page("train", experiment=experiment.name, dataset=product.id)
    unit = unit_of(product.settings["settings"]["group"])
    names = ["Crops", f"{unit.capitalize()}s", "Crop size", "Leakage and confounding", "Left out", "How it was made"]
    crops, groups, sizes, leaks, missing, made = st.tabs(names)
    with crops:
        gallery(product.path)
    with groups:
        st.dataframe(groups_table(report["groups"], unit), hide_index=True, width="stretch")
    with sizes:
        show_chart(crop_size_chart(data.manifest["extent_px"].to_numpy(dtype=float), data.statistics["crop_px"]))
    with leaks:
        show_leakage(report, unit)
    with missing:
        left_out(report, product.path)
    with made:
        how_made(product, "dataset")


def pictures(path: Path) -> BytesIO:
    """The crops of a dataset as PNG folders, zipped."""
    with tempfile.TemporaryDirectory() as folder:
        return zip_product(export_folder(path, Path(folder) / path.name))


@st.fragment
def gallery(path: Path) -> None:
    """Crops of one set, by class; another draw at a press."""
    left, middle, right = st.columns([3, 3, 1], vertical_alignment="bottom")
    split = left.segmented_control("Set", list(SPLITS), default="train", format_func=SETS.__getitem__, required=True, key=f"gallery-{path.name}")
    draw = int(st.session_state.get(f"draw-{path.name}", 0))
    right.button("Others", icon=":material/shuffle:", on_click=lambda: st.session_state.update({f"draw-{path.name}": draw + 1}), width="stretch")
    with middle:
        culture = choose_culture(rows_of(path, str(split)), f"culture-{path.name}-{split}")
    sheets = drawn(path, str(split), culture, draw)
    for column, c in zip(st.columns(2, gap="medium"), (1, 0), strict=True):
        with column:
            st.markdown("**Senescent**" if c else "**Not senescent**")
            if sheets[c] is None:
                st.caption("No cell of this class in this set.")
            else:
                st.image(sheets[c], width="stretch", alt=f"Crops of {'senescent' if c else 'other'} cells")
                rows = of_culture(rows_of(path, str(split)), culture)
                st.caption(how_many(min(SHOWN, int((rows["class"] == c).sum())), rows, c))
    st.caption("As the classifier sees them: normalised with the mean and the standard deviation of the training cells.")


@st.cache_data(max_entries=8, show_spinner=False)
def rows_of(path: Path, split: str) -> pd.DataFrame:
    manifest = open_dataset(path).manifest
    return manifest[manifest["split"] == split]


@st.cache_data(max_entries=32, show_spinner=False)
def drawn(path: Path, split: str, culture: str, draw: int) -> dict[int, Any]:
    data, rows, out = open_dataset(path), rows_of(path, split), {}
    rows = of_culture(rows, culture)
    for c in (0, 1):
        some = rows[rows["class"] == c]
        some = some.sample(min(SHOWN, len(some)), random_state=draw)
        out[c] = contact_sheet([picture_of(data.crops, int(i), bits=8) for i in some.index]) if len(some) else None
    return out


def groups_table(groups: list[dict[str, Any]], unit: str) -> pd.DataFrame:
    """Culture (or what else was kept together), set, cells of each class."""
    table = pd.DataFrame(groups)
    table["split"] = table["split"].map(SETS)
    return table.rename(columns={"group": unit.capitalize(), "split": "Set", "n_0": "Not senescent", "n_1": "Senescent"})


def show_leakage(report: dict[str, Any], unit: str) -> None:
    """Fields, cultures and crops on both sides; what tells the classes apart without a look at the cell."""
    twins = report["near_duplicates"]
    checks = {
        "fields on both sides": len(report["shared_fields"]),
        "cultures on both sides": len(report["shared_cultures"]),
        "pairs of crops that look the same": twins["pairs"],
    }
    for words, n in checks.items():
        st.markdown(f"{':material/check_circle:' if not n else ':red[:material/error:]'} {n} {words}")
    if twins["examples"]:
        st.dataframe(pd.DataFrame(twins["examples"], columns=["One", "Other", "Correlation"]), hide_index=True)
    st.markdown("**Area under the ROC curve of predictors that do not look at the cell** (0.5 is chance)")
    table = pd.DataFrame(report["confounding"]).T.rename(columns=SETS, index={"culture": unit})
    shown = {name: st.column_config.NumberColumn(format="%.2f") for name in SETS.values()}
    st.dataframe(table.rename_axis("It knows only").reset_index(), hide_index=True, width="content", column_config=shown)
    st.caption(f"A classifier is worth something where it does clearly better than these on the test set. “{unit}” knows the fraction of every {unit}.")


def left_out(report: dict[str, Any], path: Path) -> None:
    from core.report import read_csv
    from core.tables import FAILURES

    failures = read_csv(path / "failures.csv", FAILURES)
    if not report["left_out"] and failures.empty:
        st.success("Every annotated cell is in the dataset.", icon=":material/check:")
    for reason, n in report["left_out"].items():
        st.markdown(f"- {count(n, 'cell')}: {reason}")
    if len(failures):
        show_failures(failures)
