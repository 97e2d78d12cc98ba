"""The fields of a product in the viewer, one at a time, with the clicked cell and its numbers beside."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.errors import InputError
from core.images import Plane, grey, preview, read, read_labels
from core.report.doubts import flags_of, uncertain_words
from core.report.words import count, grouped, interval, percent
from core.tables import FLAGS, UNLIKE
from core.workspace import Experiment, Product
from pages.parts import address
from pages.parts.viewer import Tile, cell_viewer, field_tile
from pages.parts.words import known

CROP_PX = 256
NUMBERS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "senescence_probability": ("Probability", "{:.2f}".format),
    "training_distance": ("Distance from training", "{:.2f}".format),
    "area_um2": ("Area (µm²)", grouped),
    "area_px": ("Area (px²)", grouped),
    "flow_error": ("Flow error", "{:.2f}".format),
    "x_px": ("x (px)", grouped),
    "y_px": ("y (px)", grouped),
}


@st.fragment
def browse_fields(experiment: Experiment, product: Product, fields: pd.DataFrame, cells: pd.DataFrame) -> None:
    """Turn the pages of a product's fields; a click on a cell shows its crop and its row of ``cells``."""
    names = fields["fov_id"].to_list()
    if not names:
        st.info("There is no field to show: see what was left out.")
        return
    picture, beside = st.columns([3, 1], gap="medium")
    with picture:
        shown = turn_fields(names, {row["fov_id"]: flags_of(row) for row in fields.to_dict("records")})
        cell = st.session_state.get(_cell_key(product), ("", 0))
        try:
            click = cell_viewer(
                [_tile(experiment, product, cells, shown)],
                key=f"viewer-{product.id}",
                selected=cell if cell[0] == shown else None,
                preload=[_tile(experiment, product, cells, one) for one in names[names.index(shown) + 1 :][:1]],
            )
        except InputError as problem:
            st.error(str(problem), icon=":material/error:")
            return
    if click:
        cell = st.session_state[_cell_key(product)] = (click.fov_id, click.label)
    with beside:
        _field_numbers(fields[fields["fov_id"] == shown].iloc[0])
        if cell[0] == shown and cell[1]:
            _cell_numbers(experiment, product, cells[(cells["fov_id"] == shown) & (cells["label"] == cell[1])])
        else:
            st.caption("Click a cell to see it alone, with its numbers. Scroll to zoom, drag to move.")


def turn_fields(names: list[str], flags: Mapping[str, list[str]] | None = None) -> str:
    """The field of the address, changed by previous, next or a pick by name; what is doubtful of a field stands beside its name."""
    marks = {name: f" · {', '.join(found)}" for name, found in (flags or {}).items() if found}
    shown = address.read("field") if address.read("field") in names else names[0]
    at = names.index(shown)
    st.session_state["field-pick"] = shown
    back, pick, forth = st.columns([1, 6, 1], vertical_alignment="bottom")
    back.button("Previous", key="field-previous", disabled=at == 0, on_click=address.write, kwargs={"field": names[max(0, at - 1)]}, width="stretch")
    forth.button(
        "Next", key="field-next", disabled=at == len(names) - 1, on_click=address.write, kwargs={"field": names[min(at + 1, len(names) - 1)]}, width="stretch"
    )
    pick.selectbox("Field", names, key="field-pick", on_change=_picked, label_visibility="collapsed", format_func=lambda name: name + marks.get(name, ""))
    return shown


def _picked() -> None:
    address.write(field=st.session_state["field-pick"])


def _cell_key(product: Product) -> str:
    return f"cell-{product.kind}-{product.id}"


def labels_file(experiment: Experiment, product: Product, fov_id: str) -> Path:
    """The label image that the product rests on: its own, or that of the segmentation it names."""
    home = product if product.kind == "segmentations" else experiment.product("segmentations", product.settings["upstream"]["segmentation"])
    return home.path / "labels" / f"{fov_id}.tif"


def _tile(experiment: Experiment, product: Product, cells: pd.DataFrame, fov_id: str) -> Tile:
    image, plane, pixel_size = phase_of(experiment, fov_id)
    calls = cells[cells["fov_id"] == fov_id] if "senescent" in cells else None
    return field_tile(fov_id, image, plane, labels=labels_file(experiment, product, fov_id), cells=calls, pixel_size_um=pixel_size)


def phase_of(experiment: Experiment, fov_id: str) -> tuple[Path, Plane, float | None]:
    """File, plane and pixel size of a field's phase image. InputError where the field is not in the table any more."""
    table = experiment.fields()
    rows = table[table["fov_id"] == fov_id]
    if rows.empty:
        raise InputError(f"{fov_id} is not in the table of fields any more, so its image cannot be shown. Its results are kept.")
    path, plane = experiment.resolve(rows["phase"].iloc[0])
    pixel_size = rows["pixel_size_um"].iloc[0]
    return path, plane, float(pixel_size) if known(pixel_size) else None


def _field_numbers(row: "pd.Series[Any]") -> None:
    lines = []
    if "senescent_fraction" in row and known(row["senescent_fraction"]):
        lines.append(f"{percent(row['senescent_fraction'])} senescent ({interval(row['ci_low'], row['ci_high'])})")
        lines.append(f"{row['n_senescent']} of {row['n_scored']} scored cells; {row['n_excluded']} not scored")
    else:
        lines.append(count(int(row["n_cells"]), "cell"))
    if uncertain := uncertain_words(row.to_dict()):
        lines.append(uncertain)
    lines.append(f"{percent(row['confluence'])} of the field covered")
    st.markdown("  \n".join(lines))
    for flag in flags_of(row.to_dict()):
        st.badge(flag, color="red" if flag == UNLIKE else "orange", icon=":material/flag:", help=FLAGS.get(flag))


def _cell_numbers(experiment: Experiment, product: Product, rows: pd.DataFrame) -> None:
    if rows.empty:
        return
    row = rows.iloc[0]
    with st.container(border=True):
        st.markdown(f"**Cell {row['label']}** · {_call(row)}")
        image, plane, _ = phase_of(experiment, row["fov_id"])
        st.image(crop(image, plane, labels_file(experiment, product, row["fov_id"]), int(row["label"])), width="stretch", alt=f"Cell {row['label']} alone")
        st.table(pd.DataFrame({"": {words: shown(row[c]) for c, (words, shown) in NUMBERS.items() if c in row and known(row[c])}}), border="horizontal")


def _call(row: "pd.Series[Any]") -> str:
    if "senescent" not in row:
        return "outlined"
    if not known(row["senescent"]):
        return f"not scored: {row['exclusion_reason']}"
    unsure = ", uncertain" if known(row["uncertain"]) and row["uncertain"] else ""
    return f":orange[senescent{unsure}]" if row["senescent"] else f":blue[not senescent{unsure}]"


@st.cache_data(max_entries=64, show_spinner=False)
def crop(image: Path, plane: Plane, labels: Path, label: int) -> np.ndarray:
    """One cell in the middle of its surroundings, 8 bit, for the eye."""
    from core.dataset.crops import cut_crops  # brings OpenCV, which the first page can do without

    pixels = preview(grey(read(image, plane))).astype(np.float32)
    return cut_crops(pixels, read_labels(labels), [label], CROP_PX, background="kept")[0].astype(np.uint8)
