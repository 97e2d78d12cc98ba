"""What goes into a dataset before it is built: annotations, classes per culture, split, crop size, a look at the crops."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from core.dataset.sentences import CONTROL, WITHOUT_CONTROLS
from core.dataset.split import SPLITS
from core.report.words import count, grouped
from core.settings import DatasetSettings
from core.stages.annotated import Source, annotated_cells, cell_extents, sample_crops, sources
from core.stages.collecting import check_settings, foresee
from core.stages.splitting import Wanted, settle_split
from core.workspace import Experiment, list_experiments
from pages.parts.charts import show_chart
from pages.parts.dataset_pictures import contact_sheet, crop_size_chart
from pages.parts.words import product_words

EVERY = "all cultures"
SETS = {"train": "Training", "validation": "Validation", "test": "Test"}
ICONS = {"error": ":material/error:", "warning": ":material/warning:", "note": ":material/info:"}


@dataclass(frozen=True)
class Plan:
    """The annotated cells that were chosen, and their names in the command."""

    found: tuple[Source, ...]
    cells: pd.DataFrame

    @property
    def identity(self) -> list[tuple[str, str, int]]:
        """What its cells depend on."""
        return [(str(one.experiment.path), one.annotation.id, one.experiment.fields_csv.stat().st_mtime_ns) for one in self.found]

    @property
    def paths(self) -> list[Path]:
        return [one.experiment.path for one in self.found]

    @property
    def annotations(self) -> list[str]:
        """Named only where it is not the newest."""
        return [one.annotation.id for one in self.found if one.annotation.id != one.experiment.products("annotations")[0].id]


def annotated_experiments() -> list[str]:
    return [one.name for one in list_experiments() if one.products("annotations")]


def choose_annotations(home: Experiment) -> list[tuple[Path, str]]:
    """Experiments and, where one has several annotations, which of them."""
    known = annotated_experiments()
    picked = st.multiselect(
        "Annotated experiments", known, default=[home.name] if home.name in known else [], key=f"dataset-sources-{home.name}", persist_state="session"
    )
    chosen = []
    for name in picked:
        one = next(e for e in list_experiments() if e.name == name)
        products = {p.id: p for p in one.products("annotations")}
        id = next(iter(products))
        if len(products) > 1:
            words, key = {name: product_words(product) for name, product in products.items()}, f"dataset-annotation-{name}"
            id = st.selectbox(f"Annotation of {name}", list(words), format_func=words.__getitem__, key=key, persist_state="session") or id
        chosen.append((one.path, id))
    return chosen


def read_plan(chosen: list[tuple[Path, str]], settings: DatasetSettings) -> Plan:
    """The cells of the chosen annotations, read once as long as nothing changes."""
    check_settings(settings)
    changed = tuple((path / "fields.csv").stat().st_mtime_ns for path, _ in chosen)
    found, cells = _read(tuple(chosen), settings.group, settings.leave_out_fragile, settings.controls, changed)
    return Plan(tuple(found), cells)


@st.cache_data(max_entries=8, show_spinner="Reading the annotations …")
def _read(chosen: tuple[tuple[Path, str], ...], group: str, fragile: bool, controls: bool, changed: tuple[int, ...]) -> tuple[list[Source], pd.DataFrame]:
    found = sources([path for path, _ in chosen], [id for _, id in chosen])
    return found, annotated_cells(found, group, fragile, controls)


@st.cache_data(max_entries=8, show_spinner="Measuring the cells …", hash_funcs={Plan: lambda plan: plan.identity})
def _extents(plan: Plan, pixel_size_um: float, group: str, fragile: bool, controls: bool) -> pd.Series:
    return cell_extents(plan.found, plan.cells, pixel_size_um)


@st.cache_data(max_entries=8, show_spinner="Cutting some crops …", hash_funcs={Plan: lambda plan: plan.identity})
def _samples(plan: Plan, crop_px: int, background: str, group: str, culture: str, controls: bool) -> Any:
    return sample_crops(plan.found, of_culture(plan.cells, culture), crop_px, background)  # type: ignore[arg-type]


def choose_controls(chosen: list[tuple[Path, str]], settings: DatasetSettings, home: Experiment, used: bool) -> DatasetSettings:
    """A tick to leave out the cells of negative controls, offered where there are any."""
    cells = read_plan(chosen, settings).cells
    n = int(((cells["reason"] == "") & (cells["role"] == CONTROL)).sum())
    if not n:
        return settings
    why = f"{count(n, 'cell')}. Where controls were not stained, nobody knows the class of their cells. Other fields of their cultures stay."
    out = st.checkbox(WITHOUT_CONTROLS, not used, help=why, key=f"dataset-controls-{home.name}-{used}", persist_state="session")
    return replace(settings, controls=not out)


def splits_of(plan: Plan, settings: DatasetSettings, home: Experiment, assignment: Mapping[str, str]) -> pd.Series:
    wanted = Wanted(plan.paths, home.path, assignment=assignment)
    return settle_split(plan.cells, wanted, settings, [home, *(one.experiment for one in plan.found)])[0]


def choose_crop_size(plan: Plan, settings: DatasetSettings, home: Experiment) -> tuple[DatasetSettings, pd.Series]:
    """The curve of whole cells against crop size, and the size; returns the settings with it, and the cells' sizes."""
    extent = _extents(plan, settings.pixel_size_um, settings.group, settings.leave_out_fragile, settings.controls)
    about = next(one for one in fields(DatasetSettings) if one.name == "crop_px").metadata
    crop_px = st.number_input(
        about["label"],
        about["low"],
        about["high"],
        settings.crop_px,
        step=32,
        help=about["help"],
        key=f"dataset-crop-px-{home.name}-{settings.crop_px}",
        persist_state="session",
    )
    show_chart(crop_size_chart(extent.to_numpy(), crop_px))
    return replace(settings, crop_px=crop_px), extent


def show_samples(plan: Plan, settings: DatasetSettings, crop_px: int) -> None:
    """Some crops of both classes, of all cultures or of one line and passage."""
    used = plan.cells[plan.cells["reason"] == ""]
    culture = choose_culture(used, "dataset-samples")
    crops = _samples(plan, crop_px, settings.background, settings.group, culture, settings.controls)
    for column, c in zip(st.columns(2, gap="medium"), (1, 0), strict=True):
        with column:
            st.markdown("**Senescent**" if c else "**Not senescent**")
            if crops[c]:
                st.image(contact_sheet(crops[c]), width="stretch", alt=f"Crops of {'senescent' if c else 'other'} cells")
                st.caption(how_many(len(crops[c]), of_culture(used, culture), c))
            else:
                st.caption("No cell of this class.")


def of_culture(cells: pd.DataFrame, culture: str) -> pd.DataFrame:
    return cells if culture == EVERY else cells[cultures(cells) == culture]


def how_many(shown: int, cells: pd.DataFrame, c: int) -> str:
    """How many cells of class ``c`` are on the sheet, and how many more there are."""
    more = int((cells["class"] == c).sum()) - shown
    return f"{count(shown, 'cell')}; {grouped(more)} more not shown." if more else f"All {count(shown, 'cell')}."


def choose_culture(cells: pd.DataFrame, key: str) -> str:
    """Whose crops to look at: one of ``cultures``, or EVERY; nothing to choose where there is one culture."""
    names = sorted(set(cultures(cells)) - {""})
    return str(st.selectbox("Cells of", [EVERY, *names], key=key)) if len(names) > 1 else EVERY


def cultures(cells: pd.DataFrame) -> pd.Series:
    """Line and passage of every cell, in words; "" where nobody knows."""
    passages = cells["passage"].astype("string").fillna("")
    return cells["sample"].astype(str) + passages.where(passages == "", ", passage " + passages)


def show_warnings(found: list[dict[str, str]]) -> None:
    """One box a level, worst first."""
    for level, show in (("error", st.error), ("warning", st.warning), ("note", st.info)):
        texts = [one["text"] for one in found if one["level"] == level]
        if texts:
            show("\n".join(f"- {text}" for text in texts) if len(texts) > 1 else texts[0], icon=ICONS[level])


def forecast(plan: Plan, splits: pd.Series, extent: pd.Series, crop_px: int, group: str) -> dict[str, Any]:
    return foresee(plan.cells, splits, extent, crop_px, group)


def show_counts(counts: Mapping[str, Mapping[str, int]]) -> None:
    """Cells of each set and class as three numbers."""
    for column, split in zip(st.columns(3), SPLITS, strict=True):
        with column.container(border=True):
            n_0, n_1 = counts[split]["0"], counts[split]["1"]
            st.metric(SETS[split], count(n_0 + n_1, "cell"))
            st.caption(f"{n_1} senescent, {n_0} not")
