"""Test-only app around curation_script.py, with the routes of the real one."""

import sys
from pathlib import Path

import streamlit as st

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from pages.parts import media

app = st.App(Path(__file__).resolve().parent / "curation_script.py", routes=media.routes())
