"""The address bar is the state: which experiment, which product, which job. A refresh, a second tab and a bookmark
show the same thing. What the sidebar's links drop from the address is remembered for the session."""

from pathlib import Path
from typing import NoReturn

import streamlit as st

PAGES = Path(__file__).resolve().parents[1]
REMEMBERED = ("experiment", "job")  # carried from page to page
_MEMORY = "address-memory"


def read(name: str) -> str:
    """The value of ``name`` in the address, or "" ; a remembered one is put back into the address."""
    found = st.query_params.get(name, "")
    memory = st.session_state.setdefault(_MEMORY, {})
    if found:
        if name in REMEMBERED:
            memory[name] = found
        return found
    if memory.get(name):
        st.query_params[name] = memory[name]
    return memory.get(name, "")


def write(**values: str | None) -> None:
    """Put ``values`` into the address; None or "" removes one."""
    memory = st.session_state.setdefault(_MEMORY, {})
    for name, value in values.items():
        if value:
            st.query_params[name] = value
        else:
            st.query_params.pop(name, None)
        if name in REMEMBERED:
            memory[name] = value or ""


def open_page(page: str, **values: str) -> NoReturn:
    """Go to ``pages/<page>.py`` with these values in the address."""
    write(**values)
    st.switch_page(PAGES / f"{page}.py", query_params=values)


def link(page: str, label: str, icon: str | None = None, **values: str) -> None:
    """A link to ``pages/<page>.py`` with these values in its address."""
    st.page_link(PAGES / f"{page}.py", label=label, icon=icon, query_params=values)
