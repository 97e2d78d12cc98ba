"""What fields like the training fields look like, beside the fields of an assessment."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from core.report.doubts import NAMES, in_um, learned_of, measured_range
from core.report.words import count, percent
from core.tables import FLAGS


def usual_ranges(settings: Mapping[str, Any]) -> None:
    """The ranges by which fields are flagged, and what the flags mean; nothing where the classifier does not say what it learned from."""
    learned = learned_of(settings)
    if learned is None:
        return
    with st.expander("What is doubtful, and what is usual", icon=":material/flag:"):
        rows = {NAMES[column]: measured_range(column, learned, in_um(settings)) or "not known" for column in NAMES}
        st.table(pd.DataFrame({"In fields like the training fields": rows}), border="horizontal", width="content")
        st.caption(
            f"Read off {count(learned['fields'], 'field')} of training and validation: 99 of 100 like fields lie inside. A distance from training above 1 is "
            f"farther than cells of {count(learned['held_out'], 'validation cell')} lie from the {count(learned['cells'], 'training cell')}; "
            f"{percent(learned['beyond'])} of like cells do."
        )
        if looks := learned.get("looks"):
            st.caption(
                "An image is unusual where sharpness, contrast, noise and polarity of its cells, all together, lie farther from "
                f"{count(looks['fields'], 'training field')} than those of like fields do, as {count(looks['held_out'], 'held-out field')} show."
            )
        st.markdown("\n".join(f"- **{flag}**: {meaning}" for flag, meaning in FLAGS.items()))
