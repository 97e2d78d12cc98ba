"""Segment: outline the cells of every field, try settings on one field first."""

from collections.abc import Callable
from dataclasses import asdict

import pandas as pd
import streamlit as st

from core.errors import InputError
from core.options import command
from core.report import read_csv, zip_product
from core.report.words import count
from core.settings import SegmentSettings
from core.tables import CELLS, FAILURES, SEGMENTED_FIELDS
from core.workspace import Experiment, Product
from pages.parts import address
from pages.parts.choose import NEW, choose_experiment, choose_product, no_experiment, settings_like
from pages.parts.exchange_panel import exchange_panel
from pages.parts.field_view import browse_fields, labels_file, phase_of, turn_fields
from pages.parts.job_panel import current_job, job_panel, submit
from pages.parts.results import how_made, show_table
from pages.parts.review import review_panel
from pages.parts.settings_form import settings_form
from pages.parts.tune_panel import tune_panel
from pages.parts.viewer import cell_viewer, field_tile


def page() -> None:
    st.title("Segment")
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        experiment = choose_experiment()
    if experiment is None:
        no_experiment()
        return
    if experiment.fields().empty:
        st.info("This experiment has no images yet.", icon=":material/image:")
        address.link("experiments", "Add images", icon=":material/add_photo_alternate:", experiment=experiment.name)
        return
    job = current_job(experiment, ("segment", "review"))
    if job and job.state == "done":
        made = job.result.replace("\\", "/").rsplit("/", 1)[-1]
        address.write(job=None, **({"preview": made, "segmentation": NEW} if job.params.get("fields") else {"segmentation": made}))
        job = None
    with right:
        product = choose_product(experiment, "segmentations", "segmentation", "Segmentation", "New segmentation …")
    if job:
        job_panel(job)
    if product is not None:
        show(experiment, product)
    else:
        prepare(experiment, busy=bool(job and job.active))


def show(experiment: Experiment, product: Product) -> None:
    """A finished segmentation: outlines, counts, what failed, downloads."""
    fields, cells = read_csv(product.path / "fields.csv", SEGMENTED_FIELDS), read_csv(product.path / "cells.csv", CELLS)
    failures = read_csv(product.path / "failures.csv", FAILURES)
    if len(failures):
        st.warning(f"{count(len(failures), 'file')} could not be segmented; see “Left out”.", icon=":material/warning:")
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{count(len(cells), 'cell')}** in {count(len(fields), 'field')}")
        st.download_button(
            "Label images and tables (ZIP)", data=lambda: zip_product(product.path), file_name=f"{experiment.name} {product.id}.zip", on_click="ignore"
        )
        if st.button("Assess with these outlines", type="primary"):
            address.open_page("assess", experiment=experiment.name, segmentation=product.id, assessment="new")
    tabs: dict[str, Callable[[], None]] = {
        "Cells in the picture": lambda: browse_fields(experiment, product, fields, cells),
        "Check and correct": lambda: review_panel(experiment, product),
        "Fine-tune": lambda: tune_panel(experiment, product),
        "Fields": lambda: show_table(fields),
        "Export": lambda: exchange_panel(experiment, product),
        "Left out": lambda: left_out(failures),
        "How it was made": lambda: how_made(product, "segmentation"),
    }
    for tab, content in zip(st.tabs(list(tabs), key="tab", bind="query-params"), tabs.values(), strict=True):
        if tab.open:  # only what is seen is computed
            with tab:
                content()


def left_out(failures: pd.DataFrame) -> None:
    if len(failures):
        st.dataframe(failures, hide_index=True)
    else:
        st.success("Every field was segmented.", icon=":material/check:")


def prepare(experiment: Experiment, busy: bool) -> None:
    """Settings beside one field: a ruler for the diameter, a preview of the outlines."""
    names = experiment.fields()["fov_id"].to_list()
    picture, form = st.columns([3, 2], gap="medium")
    with form:
        like = settings_like(experiment, "segmentations")
        [settings] = settings_form({"Outlines": SegmentSettings}, f"segment-{address.read('like')}", like, columns=2, expanded=True)
        ready = not busy and bool(settings.model)
        with picture:
            shown = turn_fields(names)
        with st.container(horizontal=True):
            if st.button("Preview this field", disabled=not ready, icon=":material/visibility:"):
                start(experiment, settings, [shown])
            if st.button(f"Segment all {count(len(names), 'field')}", type="primary", disabled=not ready, icon=":material/play_arrow:"):
                start(experiment, settings, None)
        with st.expander("The same on the command line", icon=":material/terminal:"):
            st.code(command("segment", experiment.path, settings), language="bash", wrap_lines=True)
    with picture:
        one_field(experiment, shown, settings)


def one_field(experiment: Experiment, shown: str, settings: SegmentSettings) -> None:
    """The field with the outlines of the last preview, where that was of this field."""
    try:
        image, plane, pixel_size = phase_of(experiment, shown)
        preview = next((p for p in experiment.products("segmentations") if p.id == address.read("preview")), None)
        labels = labels_file(experiment, preview, shown) if preview else None
        labels = labels if labels and labels.is_file() else None
        tile = field_tile(shown, image, plane, labels=labels, pixel_size_um=pixel_size)
    except InputError as problem:
        st.error(str(problem), icon=":material/error:")
        return
    found = estimated(preview, shown) if labels and preview else None
    ruler = settings.diameter_um / pixel_size if settings.diameter_um and pixel_size else settings.diameter_px
    cell_viewer([tile], key=f"segment-{shown}", ruler_px=ruler or found or None)
    if labels is not None and preview is not None:
        cells = read_csv(preview.path / "cells.csv", CELLS)
        st.caption(f"Preview: {count(int((cells['fov_id'] == shown).sum()), 'cell')}, diameter {found:.0f} px, model {preview.settings['settings']['model']}.")
    elif not ruler:
        st.caption("The diameter is estimated from the images. Type one, and a circle of that size lies on the picture as a ruler.")


def estimated(preview: Product, shown: str) -> float:
    """The cell diameter in px that a segmentation used for a field."""
    fields = read_csv(preview.path / "fields.csv", SEGMENTED_FIELDS)
    return float(fields.loc[fields["fov_id"] == shown, "diameter_px"].fillna(0).sum())


def start(experiment: Experiment, settings: SegmentSettings, fields: list[str] | None) -> None:
    submit("segment", {"experiment": str(experiment.path), "fields": fields, "settings": asdict(settings)}, str(experiment.path))
    st.rerun()


page()
