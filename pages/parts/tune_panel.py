"""Fine-tuning on the page Segment: what would be learnt from, the settings, the training as it goes, what was gained."""

from dataclasses import asdict
from pathlib import Path

import pandas as pd
import streamlit as st

from core.errors import InputError
from core.jobs import Job
from core.options import command
from core.report import read_csv
from core.report.training_figures import loss_curve
from core.report.words import count
from core.settings import TuneSettings
from core.stages.corrected import MODEL, ORIGINS, TRAIN, Material, material, origin_of
from core.tables import TUNING_HISTORY
from core.workspace import Experiment, Product
from pages.parts import address
from pages.parts.charts import show_chart
from pages.parts.choose import NEW, choose, settings_like
from pages.parts.job_panel import current_job, job_panel, job_store, submit
from pages.parts.settings_form import settings_form
from pages.parts.tune_result import PARTS, show_tuning
from pages.parts.words import product_words, when


def tune_panel(experiment: Experiment, product: Product | None = None) -> None:
    """Everything about fine-tuning in ``experiment``; ``product`` is the segmentation that the page shows."""
    job = current_job(experiment, ("tune",))
    if job and job.state == "done":
        address.write(job=None, tuning=job.result.replace("\\", "/").rsplit("/", 1)[-1])
        job = None
    if job:
        job_panel(job)
        _live(experiment, job)
        if job.active:
            return
    finished = {p.id: p for p in experiment.products("tunings")}
    chosen = NEW
    if finished:
        chosen = choose("Fine-tuning", [NEW, *finished], "tuning", lambda one: "New fine-tuning …" if one == NEW else _named(finished[one]), NEW)
    if chosen in finished:
        show_tuning(experiment, finished[chosen])
    else:
        _prepare(experiment, product)


def _named(product: Product) -> str:
    return f"{product.id} · {when(product.created)}"


def _prepare(experiment: Experiment, product: Product | None) -> None:
    """What would be learnt from, beside the settings and the button."""
    sources = {p.id: p for p in experiment.products("segmentations") if _origin(p) != MODEL}
    if not sources:
        st.info(
            "Fine-tuning learns from outlines that a person has checked, and there are none yet. Correct the cells of a few fields here, "
            "or add label images on the page Experiments. Three to five fields of two or more cultures are a good start.",
            icon=":material/school:",
        )
        return
    left, right = st.columns([3, 2], gap="medium")
    with right:
        [settings] = settings_form({"Training": TuneSettings}, f"tune-{address.read('like')}", settings_like(experiment, "tunings"), columns=2)
        name = st.text_input("Name of the new model", key="tune-name", placeholder="made from the settings", persist_state="page").strip()
    with left:
        shown = product.id if product and product.id in sources else next(iter(sources))
        source = st.selectbox("Learn from", list(sources), index=list(sources).index(shown), format_func=lambda one: product_words(sources[one]))
        found = _material(experiment, settings, source)
    with right:
        if st.button("Fine-tune on my corrections", type="primary", icon=":material/school:", disabled=found is None or not settings.model):
            params = {"experiment": str(experiment.path), "settings": asdict(settings), "segmentation": source, "name": name or None}
            submit("tune", params, str(experiment.path))
            st.rerun()
        with st.expander("The same on the command line", icon=":material/terminal:"):
            st.code(command("tune", experiment.path, settings, segmentation=source, name=name), language="bash", wrap_lines=True)


def _material(experiment: Experiment, settings: TuneSettings, source: str) -> Material | None:
    try:
        found = learnable(experiment, source, settings.held_back, settings.seed, experiment.fields_csv.stat().st_mtime_ns)
    except InputError as problem:
        st.info(str(problem), icon=":material/info:")
        return None
    fields = found.fields
    corrected = f", **{count(int(fields['corrections'].sum()), 'correction')}**" if fields["corrections"].notna().any() else ""
    st.markdown(f"**{count(len(fields), 'field')}** with **{count(int(fields['n_cells'].sum()), 'cell')}**{corrected}: {ORIGINS[found.origin]}.")
    st.dataframe(fields.dropna(axis=1, how="all"), hide_index=True, column_config=PARTS, height=min(420, 38 + 35 * len(fields)))
    st.caption(found.note)
    if (fields["part"] == TRAIN).sum() < 2:
        st.caption("One training field is little; correct two or three more, of other cultures if you can.")
    return found


@st.cache_data(max_entries=16, show_spinner="Counting the corrections …")
def learnable(_experiment: Experiment, source: str, held_back: float, seed: int, _changed: int) -> Material:
    """What `core.stages.corrected.material` finds; a segmentation never changes."""
    return material(_experiment, TuneSettings(held_back=held_back, seed=seed), source)


def _origin(product: Product) -> str:
    try:
        return origin_of(product)
    except InputError:  # a damaged record
        return MODEL


def _live(experiment: Experiment, job: Job) -> None:
    """The loss of every finished epoch, looked up every two seconds while the job runs."""

    @st.fragment(run_every=2 if job.active else None)
    def look() -> None:
        folder = unfinished(experiment, job)
        history = _history(folder) if folder else None
        now = job_store().get(job.id) or job
        if history is None or history.empty:
            if now.state == "running":
                st.caption("The loss appears here after the first epoch.")
            return
        epochs = int(job.params["settings"]["epochs"])
        show_chart(loss_curve(history, epochs), f"loss-{job.id}")
        last = history.iloc[-1]
        st.caption(
            f"{int(last['epoch'])} of {count(epochs, 'epoch')} done, {last['seconds']:.0f} s for the last one. On the held-back fields it should fall too."
        )

    look()


def unfinished(experiment: Experiment, job: Job) -> Path | None:
    """The folder that the job works in: the one begun last, but not before the job."""
    found = [(p.stat().st_mtime, p.parent) for p in (experiment.path / "tunings").glob("*.partial/history.csv")]
    touched, folder = max(found, default=(0.0, None))
    return folder if folder and (not job.active or touched >= job.created - 1 or job.started is None) else None


def _history(folder: Path) -> pd.DataFrame | None:
    try:
        return read_csv(folder / "history.csv", TUNING_HISTORY)
    except InputError:  # just being published
        return None
