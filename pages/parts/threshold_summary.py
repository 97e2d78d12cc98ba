"""What an annotation says: the fraction of stained cells of every line, how sure it is, how it was made, files to take away."""

from pathlib import Path

import pandas as pd
import streamlit as st

from core.report import read_csv, zip_product
from core.report.words import count, interval, percent
from core.tables import ANNOTATED_FIELDS, ANNOTATED_LINES, FAILURES
from core.workspace import Experiment, Product
from pages.parts import address
from pages.parts.choose import choose
from pages.parts.failures import show_failures
from pages.parts.words import known, when

CARDS = 4


@st.cache_data(max_entries=16, show_spinner=False)
def read_tables(path: Path) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, list[str]]:
    """Lines, fields, failures and notes of an annotation; it never changes."""
    notes = path / "notes.txt"
    lines = notes.read_text(encoding="utf-8").splitlines() if notes.is_file() else []
    return (
        read_csv(path / "lines.csv", ANNOTATED_LINES),
        read_csv(path / "fields.csv", ANNOTATED_FIELDS),
        read_csv(path / "failures.csv", FAILURES),
        [line for line in lines if line],
    )


def choose_annotation(experiment: Experiment, label: str = "Annotation") -> Product | None:
    """The annotation of the address, else the newest; None where there is none yet."""
    products = {one.id: one for one in experiment.products("annotations")}
    if not products:
        st.info("Nothing is annotated yet. Set the threshold and save; then every cell has a class.", icon=":material/label:")
        return None
    chosen = choose(label, list(products), "annotation", lambda one: annotation_words(products[one]), next(iter(products)))
    return products[chosen]


def annotation_words(product: Product) -> str:
    """Marker, threshold, when it was saved."""
    settings = product.settings.get("settings", {})
    threshold = settings.get("threshold_used")
    value = "imported" if threshold is None else "a threshold for every line" if settings.get("threshold_by_line") else f"threshold {threshold:.4g}"
    return f"{settings.get('marker', '')} · {value} · {when(product.created)} · {product.id}"


def summary_tab(experiment: Experiment) -> None:
    """Headline, numbers of every line, threshold and spots, notes, downloads."""
    product = choose_annotation(experiment)
    if product is None:
        return
    lines, fields, failures, notes = read_tables(product.path)
    _headline(lines)
    _how(product)
    _downloads(experiment, product)
    st.subheader("Lines", anchor=False)
    st.dataframe(lines_table(lines), hide_index=True, column_config={"Cells": st.column_config.NumberColumn(format="localized")})
    st.caption("±10 %: the fraction if the threshold were a tenth lower or higher. Where it hardly moves, the exact threshold does not matter.")
    if notes:
        st.subheader("What to know of it", anchor=False)
        st.markdown("\n".join(f"- {one}" for one in notes))
    with st.expander(f"Fields ({len(fields)})"):
        st.dataframe(fields, hide_index=True)
    if len(failures):
        with st.expander(f"{count(len(failures), 'field')} without stain"):
            show_failures(failures)
    with st.expander("How it was made"):
        st.code(product.settings.get("command", ""), language="bash", wrap_lines=True)
        st.json({name: product.settings.get(name) for name in ("settings", "upstream", "versions", "created")}, expanded=1)


def _headline(lines: pd.DataFrame) -> None:
    shown = lines.head(CARDS)
    for column, row in zip(st.columns(max(2, len(shown))), shown.to_dict("records"), strict=False):
        with column.container(border=True):
            role = f" · {row['role']}" if row["role"] not in ("", "sample") else ""
            st.metric(f"{row['sample']}{role}", f"{percent(row['positive_fraction'])} stained" if known(row["positive_fraction"]) else "no class")
            if known(row["ci_low"]):
                st.caption(f"95 % interval {interval(row['ci_low'], row['ci_high'])}  \n{row['n_positive']} of {count(int(row['n_annotated']), 'cell')}")
    if len(lines) > CARDS:
        st.caption(f"{len(lines) - CARDS} more lines in the table below.")


def _how(product: Product) -> None:
    settings = product.settings.get("settings", {})
    if settings.get("threshold_used") is None:
        return
    spots = ", ".join(f"{one['px']} px" + (f" ({one['um2']:g} µm²)" if one.get("um2") else "") for one in settings.get("spots", []))
    cells, positive = settings.get("control_cells", 0), settings.get("control_positive_cells", 0)
    values = {
        "Stain threshold": "one a line" if settings.get("threshold_by_line") else f"{settings['threshold_used']:.4g}",
        "Smallest stain spot": spots or "–",
        "Smallest stained part": percent(settings["min_fraction"]),
        "Negative controls": f"{percent(positive / cells)} stained" if cells else "none",
    }
    for column, (words, value) in zip(st.columns(4), values.items(), strict=True):
        column.markdown(f":small[{words}]  \n**{value}**")
    if positive > settings.get("control_positive", 1) * cells:
        words = f"{positive} of {count(cells, 'negative-control cell')} are stained, more than the {percent(settings['control_positive'])} allowed."
        st.warning(f"{words} The threshold is too low, or what is marked as a control is stained.", icon=":material/warning:")
    if settings.get("threshold_by_line"):
        st.warning(f"Every line has its own threshold, so fractions of lines cannot be compared. {settings['threshold_by_line']}", icon=":material/warning:")
    st.caption(f"{settings['threshold_used']:.4g} is in units of {settings.get('unit', 'the signal')}. {settings.get('threshold_why', '')}")


def lines_table(lines: pd.DataFrame) -> pd.DataFrame:
    """The table for the reader: one row a line."""
    rows = lines.to_dict("records")
    share = [percent(row["positive_fraction"]) if known(row["positive_fraction"]) else "–" for row in rows]
    return pd.DataFrame(
        {
            "Line": [row["sample"] for row in rows],
            "Role": [row["role"] for row in rows],
            "Stained": share,
            "95 % interval": [interval(row["ci_low"], row["ci_high"]) if known(row["ci_low"]) else "–" for row in rows],
            "Stained cells": lines["n_positive"],
            "Cells": lines["n_annotated"],
            "Threshold −10 %": [percent(row["fraction_lower_threshold"]) if known(row["fraction_lower_threshold"]) else "–" for row in rows],
            "Threshold +10 %": [percent(row["fraction_higher_threshold"]) if known(row["fraction_higher_threshold"]) else "–" for row in rows],
            "Decided by hand": lines["n_curated"],
            "Fragile": lines["n_fragile"],
        }
    )


def _downloads(experiment: Experiment, product: Product) -> None:
    stem = f"{experiment.name} {product.id}"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "Everything (ZIP)", data=lambda: zip_product(product.path), file_name=f"{stem}.zip", mime="application/zip", on_click="ignore", type="primary"
        )
        for name in ("cells", "annotation", "lines"):
            data = (product.path / f"{name}.csv").read_bytes
            st.download_button(f"{name}.csv", data=data, file_name=f"{stem} {name}.csv", mime="text/csv", on_click="ignore")
        address.link("dataset", "Build a dataset", icon=":material/dataset:", experiment=experiment.name)
