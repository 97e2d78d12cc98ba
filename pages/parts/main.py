"""The shell that every page runs in: navigation, name, logo.

It does not lie beside ``pages/``: Streamlit would then run a page bare when a fresh server gets a deep link.
"""

import sys
from pathlib import Path

import streamlit as st

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:  # AppTest and other ways to run this file alone
    sys.path.insert(0, str(ROOT))

from core.errors import InputError  # noqa: E402 - found only now

PAGES = ROOT / "pages"
ASSETS = Path(__file__).resolve().parent / "assets"

# Before the navigation: Streamlit would fetch the page's icon from a server of Google for the tab of the browser.
st.set_page_config(page_title="Senescope", page_icon=str(ASSETS / "icon.svg"), layout="wide")
page = st.navigation(
    [
        st.Page(PAGES / "assess.py", title="Assess", icon=":material/biotech:", default=True),
        st.Page(PAGES / "segment.py", title="Segment", icon=":material/gesture:", url_path="segment"),
        st.Page(PAGES / "threshold.py", title="Threshold", icon=":material/tune:", url_path="threshold"),
        st.Page(PAGES / "dataset.py", title="Dataset", icon=":material/dataset:", url_path="dataset"),
        st.Page(PAGES / "train.py", title="Train", icon=":material/school:", url_path="train"),
        st.Page(PAGES / "evaluate.py", title="Evaluate", icon=":material/fact_check:", url_path="evaluate"),
        st.Page(PAGES / "experiments.py", title="Experiments", icon=":material/folder_open:", url_path="experiments"),
        st.Page(PAGES / "models.py", title="Models", icon=":material/model_training:", url_path="models"),
    ],
    position="top",
)
st.set_page_config(page_title=f"{page.title} · Senescope")
st.logo(str(ASSETS / "logo.svg"), icon_image=str(ASSETS / "logo.svg"), size="medium")
st.html("<style>.stMainBlockContainer {padding-top: 5rem}</style>")  # Streamlit leaves a hand's breadth under the header
try:
    page.run()
except InputError as problem:  # what a user can mend is said in plain words, wherever it came up
    st.error(str(problem), icon=":material/error:")
