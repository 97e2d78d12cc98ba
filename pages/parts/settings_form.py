"""A form made from a settings dataclass: labels, help, bounds and defaults stand there, once."""

from collections.abc import Mapping
from dataclasses import Field, fields
from typing import Any, Literal

import streamlit as st

from pages.parts.choose import choose_model

Kept = Literal["page", "session"]


def settings_form(
    kinds: Mapping[str, type],
    key: str,
    start: Mapping[str, Any] | None = None,
    columns: int = 3,
    expanded: bool = False,
    fixed: Mapping[str, Any] | None = None,
    kept: Kept = "page",
) -> list[Any]:
    """Show one widget a setting of the dataclasses ``kinds`` (title -> class) and return what is chosen, one instance each.

    Settings that name a model come first, side by side, with what to know of the model; the others follow folded up.
    ``start`` replaces defaults, e.g. by the settings of an earlier run; ``fixed`` are values that the page asks for itself;
    ``kept="session"``: what is chosen is still there when the user comes back from another page.
    """
    start, values = start or {}, dict(fixed or {})
    every = [one for kind in kinds.values() for one in fields(kind)]
    models = [one for one in every if one.metadata.get("kind") and one.name not in values]
    for one, column in zip(models, st.columns(max(1, len(models))), strict=False):
        with column:
            values[one.name] = choose_model(one.metadata["kind"], one.metadata["label"], f"{key}-{one.name}", str(start.get(one.name, one.default)))
    with st.expander("More settings", icon=":material/tune:", expanded=expanded):
        for title, kind in kinds.items():
            if len(kinds) > 1:
                st.markdown(f"**{title}**")
            _grid([one for one in fields(kind) if one.name not in values], columns, key, start, values, kept)
    return [kind(**{one.name: values[one.name] for one in fields(kind)}) for kind in kinds.values()]


def settings_grid(kind: type, key: str, start: Mapping[str, Any] | None = None, columns: int = 3) -> Any:
    """The widgets alone, in the open; returns what is chosen, an instance of ``kind`` (a dataclass without models)."""
    values: dict[str, Any] = {}
    _grid(list(fields(kind)), columns, key, start or {}, values)
    return kind(**values)


def _grid(some: list[Field], columns: int, key: str, start: Mapping[str, Any], values: dict[str, Any], kept: Kept = "page") -> None:
    for first in range(0, len(some), columns):
        for one, column in zip(some[first : first + columns], st.columns(columns, vertical_alignment="bottom"), strict=False):
            with column:
                values[one.name] = _widget(one, f"{key}-{one.name}", start.get(one.name, one.default), kept)


def _widget(one: Field, key: str, value: Any, kept: Kept) -> Any:
    words: dict[str, Any] = {"label": one.metadata["label"], "help": one.metadata["help"] or None, "key": key, "persist_state": kept}
    if one.metadata.get("choices"):
        choices, called = list(one.metadata["choices"]), one.metadata.get("words", {})
        return st.selectbox(**words, options=choices, index=choices.index(value) if value in choices else 0, format_func=lambda c: str(called.get(c, c)))
    if isinstance(one.default, bool):
        return st.checkbox(**words, value=bool(value))
    if isinstance(one.default, int | float):
        as_number = type(one.default)
        low, high = (None if bound is None else as_number(bound) for bound in (one.metadata["low"], one.metadata["high"]))
        step, shown = (1, "%d") if as_number is int else (_step(one.metadata), "%g")
        return st.number_input(**words, min_value=low, max_value=high, value=as_number(value), step=step, format=shown)
    return st.text_input(**words, value=str(value))


def _step(metadata: Mapping[str, Any]) -> float:
    """A step that suits the range: hundredths for a probability, whole units for a diameter."""
    if metadata.get("step"):
        return float(metadata["step"])
    wide = metadata["high"] is None or metadata["low"] is None or metadata["high"] - metadata["low"] > 20
    return 1.0 if wide else 0.05
