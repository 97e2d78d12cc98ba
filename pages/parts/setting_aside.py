"""Something is no longer wanted: asked once more, moved away, and told after the page is drawn anew."""

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from core.errors import InputError
from pages.parts import address

_TOLD = "set-aside"


def tell_set_aside() -> None:
    """What was moved away just now, and where its files are."""
    if text := st.session_state.pop(_TOLD, None):
        st.success(text, icon=":material/check:")


def offer_set_aside(verb: str, what: str, words: str, move: Callable[[], Path], told: str, leaves: str) -> None:
    """A button "``verb``" that says what it means (``words``) and asks once more, by a button "``verb`` ``what``", before it does ``move``.

    ``told`` is what to say then, before where the files are; ``leaves`` the part of the address that goes.
    """
    with st.popover(verb, icon=":material/delete:"):
        st.markdown(words)
        if not st.button(f"{verb} {what}"):
            return
        try:
            place = move()
        except InputError as problem:
            st.error(str(problem), icon=":material/error:")
            return
    st.session_state[_TOLD] = f"{told} Its files are in `{place}`."
    address.write(**{leaves: None})
    st.rerun()
