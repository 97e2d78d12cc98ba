"""Taking outlines to another program: pick a format, press a button, download one ZIP."""

from typing import Any

import streamlit as st

from core.cells.exchange.formats import FORMATS
from core.errors import InputError
from core.options import command
from core.report import read_csv, zip_product
from core.tables import FAILURES
from core.workspace import Experiment, Product
from pages.parts.failures import show_failures


def exchange_panel(experiment: Experiment, product: Product) -> None:
    """Export ``product``, a segmentation or an assessment; the files stay in the experiment's folder ``exports``."""
    from core.stages.exporting import exported

    key = f"export-{product.id}"
    format = st.radio("Program", list(FORMATS), format_func=lambda name: FORMATS[name].title, key=f"{key}-format", horizontal=True)
    st.caption(FORMATS[format].opens)
    try:
        ready = exported(experiment, product, format)
        if ready is None and st.button("Prepare the files", type="primary", key=f"{key}-prepare", icon=":material/output:"):
            _prepare(experiment, product, format)
    except InputError as problem:
        st.error(str(problem), icon=":material/error:")
        return
    if ready is not None:
        _ready(experiment, ready)
    with st.expander("The same on the command line", icon=":material/terminal:"):
        st.code(command("export", experiment.path, **_named(product), format=format), language="bash", wrap_lines=True)


def _named(product: Product) -> dict[str, Any]:
    """The argument of the stage that names ``product``."""
    return {product.kind.removesuffix("s"): product.id}


def _prepare(experiment: Experiment, product: Product, format: str) -> None:
    from core.stages.exporting import export

    bar = st.progress(0.0, text="Exporting …")

    def show(done: float, total: float, item: str) -> None:
        bar.progress(min(1.0, done / max(total, 1)), text=item)

    try:
        export(experiment.path, format, progress=show, **_named(product))
    finally:
        bar.empty()
    st.rerun()


def _ready(experiment: Experiment, ready: Product) -> None:
    st.download_button(
        "Download (ZIP)",
        data=lambda: zip_product(ready.path),  # packed when it is asked for
        file_name=f"{experiment.name} {ready.id}.zip",
        mime="application/zip",
        on_click="ignore",
        type="primary",
        icon=":material/download:",
    )
    st.caption(f"Also in `{ready.path}`")
    failed = ready.path / "failures.csv"
    if failed.is_file():
        st.warning("Some fields could not be exported.", icon=":material/warning:")
        show_failures(read_csv(failed, FAILURES))
