"""Models: what is in the library, what can be downloaded, import from a file."""

import tempfile
from functools import partial
from pathlib import Path

import pandas as pd
import streamlit as st

from core.errors import InputError
from core.models import Model, add_model, list_models, remove_model, verify_model
from pages.parts import address
from pages.parts.choose import choose
from pages.parts.job_panel import current_job, job_panel, submit
from pages.parts.setting_aside import offer_set_aside, tell_set_aside

KINDS = {"segmenter": "Outlines cells", "classifier": "Scores cells"}
LIBRARY, IMPORT = "Library", "Import from a file"
TAB, TOLD = "models-tab", "model-imported"
SOURCES = {"embedded": "comes with the app", "zoo": "Cellpose zoo", "library": "this workspace", "file": "file"}


def page() -> None:
    st.title("Models")
    job = current_job(None, ("download",))
    if job and job.state == "done":
        st.toast(f"{job.params['name']} is downloaded.", icon=":material/check:")
        address.write(job=None, model=job.params["name"])
    elif job:
        job_panel(job)
    tell_set_aside()
    tell_imported()
    models = {model.name: model for model in list_models()}
    card, imported = st.tabs([LIBRARY, IMPORT], key=TAB, on_change="rerun")  # of which the state is known, so that an import can lead to the library
    with card:
        left, right = st.columns([2, 3], gap="large")
        with left:
            chosen = choose("Model", list(models), "model")
            library_table(models)
        with right:
            if chosen:
                show(models[chosen], busy=bool(job and job.active))
            else:
                st.info("Choose a model to see its card.", icon=":material/info:")
    with imported:
        import_form()


def library_table(models: dict[str, Model]) -> None:
    """All models; a click on one shows its card."""
    rows = [{"Model": m.name, "Purpose": KINDS[m.kind], "Here": m.path is not None, "From": SOURCES[m.source]} for m in models.values()]
    st.dataframe(pd.DataFrame(rows), hide_index=True, height="content", key="model-table", on_select=pick, selection_mode="single-cell")


def pick() -> None:
    cells = st.session_state["model-table"]["selection"]["cells"]
    if cells:
        address.write(model=list_models()[cells[0][0]].name)


def show(model: Model, busy: bool) -> None:
    st.subheader(model.name, anchor=False)
    if model.warning:
        st.warning(model.warning, icon=":material/warning:")
    if model.summary not in model.card:
        st.markdown(model.summary)
    st.caption(f"{KINDS[model.kind]} · {SOURCES[model.source]} · licence: {model.licence or 'not stated'}")
    if model.path is None:
        if st.button("Download", type="primary", icon=":material/download:", disabled=busy):
            submit("download", {"name": model.name})
            st.rerun()
        st.caption("No internet on this machine? Download the file elsewhere and import it from the other tab.")
    else:
        st.caption(f"SHA-256 `{model.sha256}`  \n`{model.path}`")
        with st.container(horizontal=True):
            verify = st.button("Verify", icon=":material/verified:", help="Compares the file with its recorded hash")
            if model.source != "embedded":
                words = "It is then no longer offered. Results made with it stay as they are, and its files are kept in a folder beside the library."
                offer_set_aside("Remove", model.name, words, partial(remove_model, model.name), f"{model.name} is removed.", "model")
        if verify:
            problems = verify_model(model.name)
            for problem in problems:
                st.error(problem, icon=":material/error:")
            if not problems:
                st.success("The file is exactly the one that was recorded.", icon=":material/check:")
    if model.card:
        with st.container(border=True):
            st.markdown(model.card.removeprefix(f"# {model.name}"))
            if model.gallery:
                st.image(str(model.gallery))


def tell_imported() -> None:
    """What was taken into the library just now, said over the library that lists it."""
    if name := st.session_state.pop(TOLD, None):
        st.session_state[TAB] = LIBRARY
        st.success(f"{name} is in the library. Choose it wherever a model is asked for.", icon=":material/check:")


def import_form() -> None:
    """A model file from the user's computer: checked, and only then taken into the library."""
    st.markdown("A Cellpose 3 model, a Senescope classifier, or a plain EfficientNet state dict. The file is checked before it enters the library.")
    file = st.file_uploader("Model file", key="model-file")
    name = st.text_input("Name in the library", value=Path(file.name).stem if file else "")
    kind = st.radio("Purpose", [None, *KINDS], format_func=lambda k: KINDS.get(k or "", "Find out from the file"), horizontal=True)
    with st.expander("Values that a plain classifier file lacks"):
        st.caption("A plain state dict holds weights only. With the mean and standard deviation of its training crops, results are comparable between fields.")
        mean, std, threshold = (
            column.number_input(label, value=None, format="%g")
            for label, column in zip(("Training mean", "Training standard deviation", "Decision threshold"), st.columns(3), strict=True)
        )
    if st.button("Check and import", type="primary", disabled=file is None or not name.strip()) and file is not None:
        with st.spinner("Checking the file …"), tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / Path(file.name).name
            path.write_bytes(file.getbuffer())
            try:
                model = add_model(path, name=name.strip(), kind=kind, mean=mean, std=std, threshold=threshold)
            except InputError as problem:
                st.error(str(problem).replace(str(path), path.name), icon=":material/error:")  # the user knows its name only
                return
        st.session_state[TOLD] = model.name
        address.write(model=model.name)
        st.rerun()  # the library was listed above before it held the model


page()
