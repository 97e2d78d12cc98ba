"""A finished fine-tuning on the page: what was gained on the held-back fields, and the way to the new model."""

import pandas as pd
import streamlit as st

from core.errors import InputError
from core.report import read_csv
from core.report.training_figures import loss_curve
from core.report.words import count
from core.stages.corrected import labels_of
from core.stages.tuning_card import SCORES, best_epoch, means
from core.tables import BEFORE_AFTER, TUNING_FIELDS, TUNING_HISTORY
from core.workspace import Experiment, Product, read_json
from pages.parts import address
from pages.parts.charts import show_chart
from pages.parts.choose import NEW
from pages.parts.field_view import phase_of
from pages.parts.viewer import Tile, cell_viewer, field_tile

HEADLINE = ("ap50", "ap75", "f1_50", "merges", "splits")
PARTS = {"fov_id": "Field", "sample": "Culture", "part": "Used for", "n_cells": "Cells", "corrections": "Corrections"}
SIDES = {"before": "Before", "after": "After"}


def show_tuning(experiment: Experiment, product: Product) -> None:
    """Warnings, numbers before and after, the pictures, the loss, how it was made."""
    outcome = read_json(product.path / "outcome.json")
    scores = read_csv(product.path / "before_after.csv", BEFORE_AFTER)
    fields = read_csv(product.path / "fields.csv", TUNING_FIELDS)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"New model **{outcome['model']}**, cell diameter {outcome['diameter_px']:.0f} px")
        # a link to the page that is open would leave its address as it was
        there = {"segmentation": NEW, "model": outcome["model"], "tuning": None}
        st.button("Outline with it", icon=":material/gesture:", on_click=address.write, kwargs=there)
        address.link("models", "Open its card", icon=":material/model_training:", model=outcome["model"])
    for line in outcome["warnings"]:
        st.warning(line, icon=":material/warning:")
    if len(scores):
        _headline(scores)
    numbers, pictures, loss, made = st.tabs(["Before and after", "Pictures", "Loss", "How it was made"])
    with numbers:
        st.caption(outcome["note"])
        _table(scores, fields)
    with pictures:
        _pictures(experiment, product, scores)
    with loss:
        history = read_csv(product.path / "history.csv", TUNING_HISTORY)
        show_chart(loss_curve(history, int(history["epoch"].max())), "tuned-loss")
        st.caption(f"The weights of epoch {best_epoch(history)} were kept.")
    with made:
        _how_made(product)


def _how_made(product: Product) -> None:
    record = product.settings
    st.markdown("**The command that does the same**")
    st.code(record.get("command", ""), language="bash", wrap_lines=True)
    st.button("Begin a new one with these settings", on_click=address.write, kwargs={"tuning": NEW, "like": product.id})
    st.json({k: record.get(k) for k in ("settings", "upstream", "models", "versions", "created")}, expanded=2)


def _headline(scores: pd.DataFrame) -> None:
    """The means over the held-back fields after training, with the change."""
    table = means(scores)
    for name, column in zip(HEADLINE, st.columns(len(HEADLINE)), strict=True):
        before, after = table.loc["before", name], table.loc["after", name]
        if pd.isna(before) or pd.isna(after):
            continue
        fewer_is_better = name in ("merges", "splits")
        shown = (f"{after:.0f}", f"{after - before:+.0f}") if fewer_is_better else (f"{after:.2f}", f"{after - before:+.2f}")
        delta = None if float(shown[1]) == 0 else shown[1]
        column.metric(SCORES[name], shown[0], delta, delta_color="inverse" if fewer_is_better else "normal")
    st.caption(f"On {count(int(table['fields'].iloc[0]), 'held-back field')}, after training and against before; the same settings for both models.")


def _table(scores: pd.DataFrame, fields: pd.DataFrame) -> None:
    if scores.empty:
        st.info("No field was held back, so there is nothing to compare.", icon=":material/info:")
    else:
        shown = scores.pivot_table(index=["fov_id", "true_cells"], columns="model", values=[*SCORES, "found_cells"], sort=False, dropna=False)
        wide = pd.DataFrame({"Field": shown.index.get_level_values(0), "True cells": shown.index.get_level_values(1)})
        for name, words in {"found_cells": "Found", **SCORES}.items():
            for side in SIDES:
                wide[f"{words}, {side}"] = shown[(name, side)].to_numpy(dtype=float)
        st.dataframe(wide, hide_index=True, column_config={c: st.column_config.NumberColumn(format="%.2f") for c in wide if c.startswith(("AP", "F1"))})
    with st.expander(f"{count(len(fields), 'field')} in all", icon=":material/dataset:"):
        st.dataframe(fields.dropna(axis=1, how="all"), hide_index=True, column_config=PARTS)


@st.fragment
def _pictures(experiment: Experiment, product: Product, scores: pd.DataFrame) -> None:
    """One held-back field: outlines of the old model, of the new one, and the true ones."""
    names = list(dict.fromkeys(scores["fov_id"]))
    if not names:
        st.info("No field was held back, so there is nothing to compare.", icon=":material/info:")
        return
    shown = st.selectbox("Held-back field", names, key=f"tuned-field-{product.id}")
    try:
        tiles = _tiles(experiment, product, shown)
    except InputError as problem:
        st.error(str(problem), icon=":material/error:")
        return
    cell_viewer(tiles, key=f"tuned-{product.id}", columns=len(tiles))


def _tiles(experiment: Experiment, product: Product, fov_id: str) -> list[Tile]:
    image, plane, pixel_size = phase_of(experiment, fov_id)
    found = {words: product.path / "found" / side / f"{fov_id}.tif" for side, words in SIDES.items()}
    truth = labels_of(experiment.product("segmentations", product.settings["upstream"]["segmentation"]), fov_id)
    return [
        field_tile(f"{fov_id} {words}", image, plane, labels=labels, title=words, pixel_size_um=pixel_size)
        for words, labels in {**found, "Your outlines": truth}.items()
        if labels.is_file()
    ]
