"""Test-only page: the curation tab alone, for the annotation of the address or the newest one."""

import sys
from pathlib import Path

import streamlit as st

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from core.workspace import open_experiment
from pages.parts import address
from pages.parts.curation_tab import curation_tab

st.set_page_config(layout="wide")
st.title("Curate")
experiment = open_experiment(address.read("experiment"))
made = {one.id: one for one in experiment.products("annotations")}
curation_tab(experiment, made.get(address.read("annotation"), next(iter(made.values()))))
