"""Segment: outline the cells of every field, try settings on one field first."""

from dataclasses import asdict

import streamlit as st

from core.errors import InputError
from core.options import command
from core.report import read_csv
from core.report.words import count
from core.settings import SegmentSettings
from core.tables import CELLS, SEGMENTED_FIELDS
from core.workspace import Experiment, Product
from pages.parts import address
from pages.parts.choose import NEW, choose_experiment, choose_product, no_experiment, settings_like
from pages.parts.field_view import labels_file, phase_of, turn_fields
from pages.parts.job_panel import current_job, job_panel, submit
from pages.parts.segmentation import show_segmentation
from pages.parts.settings_form import settings_form
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
        show_segmentation(experiment, product)
    else:
        prepare(experiment, busy=bool(job and job.active))


def prepare(experiment: Experiment, busy: bool) -> None:
    """Settings beside one field: a ruler for the diameter, a preview of the outlines."""
    names = experiment.fields()["fov_id"].to_list()
    picture, form = st.columns([3, 2], gap="medium")
    with form:
        like, model = settings_like(experiment, "segmentations"), address.read("model")
        like |= {"model": model} if model else {}
        [settings] = settings_form({"Outlines": SegmentSettings}, f"segment-{address.read('like') or model}", like, columns=2, expanded=True)
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
