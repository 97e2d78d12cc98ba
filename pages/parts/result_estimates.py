"""Which fraction is reported and why, the other estimates beside it, stained and called side by side."""

from typing import Any

import pandas as pd
import streamlit as st

from core.report.words import percent, with_interval

ESTIMATES = {  # heading: columns of the fraction and its interval
    "Reported": ("reported_fraction", "reported_low", "reported_high"),
    "Called (plain count)": ("senescent_fraction", "ci_low", "ci_high"),
    "Corrected": ("corrected_fraction", "corrected_low", "corrected_high"),
    "Prediction-powered": ("powered_fraction", "powered_low", "powered_high"),
    "Stained, of stained fields": ("stained_fraction", "stained_low", "stained_high"),
    "Called, of the same cells": ("called_where_stained", "called_where_stained_low", "called_where_stained_high"),
}
STEPS = {
    "Threshold −10 %": "fraction_lower_threshold",
    "+10 %": "fraction_higher_threshold",
    "Stain threshold −10 %": "stained_lower_threshold",
    "Stain +10 %": "stained_higher_threshold",
}


def show_estimates(samples: pd.DataFrame, words: dict[str, Any]) -> None:
    """The table of estimates, with the reasons below; columns in which nothing is known are left out."""
    rows = samples.to_dict("records")
    shown: dict[str, Any] = {"Culture": [row["sample"] for row in rows]}
    for heading, columns in ESTIMATES.items():
        if samples[columns[0]].notna().any():
            shown[heading] = [with_interval(*(row[c] for c in columns)) for row in rows]
    shown["How"] = [row["reported_method"] for row in rows]
    shown |= {heading: [percent(row[column]) for row in rows] for heading, column in STEPS.items() if samples[column].notna().any()}
    if (samples["reported_notes"] != "").any():
        shown["Beware"] = [row["reported_notes"] for row in rows]
    st.dataframe(pd.DataFrame(shown), hide_index=True)
    for one in words.get("reasons", ()):
        st.markdown(f"**{one['method'].capitalize()}.** {one['why']}")
    reference = words.get("reference")
    if reference:
        st.caption(f"Sensitivity and specificity: {reference['source']}, at the threshold of this assessment.")
    else:
        st.caption(
            "No evaluation of this classifier on held-out cells is used, so calls are not corrected. Evaluate it, then make a new report (tab “Report”)."
        )
    if words.get("intervals"):
        st.caption(words["intervals"])
