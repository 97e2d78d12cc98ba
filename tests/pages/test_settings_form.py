"""The form is made from the dataclass."""

from dataclasses import dataclass, fields
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.settings import AssessSettings, SegmentSettings, SimulateSettings, setting
from pages.parts.words import duration, known, when


@dataclass(frozen=True)
class Every:
    choice: str = setting("b", "Choice", choices=("a", "b"))
    flag: bool = setting(True, "Flag")
    number: int = setting(3, "Number", low=0, high=9)
    share: float = setting(0.5, "Share", low=0, high=1)
    text: str = setting("t", "Text")
    counted: int = setting(2, "Counted", choices=(1, 2))  # choices need not be text


def form(kinds: str) -> AppTest:
    return AppTest.from_string(
        f"import streamlit as st\nfrom test_settings_form_classes import *\nst.session_state['made'] = settings_form({kinds}, 'k')", default_timeout=30
    )


@pytest.fixture
def shown(workspace: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    import sys
    import types

    from pages.parts.settings_form import settings_form

    module = types.ModuleType("test_settings_form_classes")
    module.__dict__.update(
        settings_form=settings_form, Every=Every, SegmentSettings=SegmentSettings, AssessSettings=AssessSettings, SimulateSettings=SimulateSettings
    )
    monkeypatch.setitem(sys.modules, module.__name__, module)

    def show(kinds: str) -> AppTest:
        app = form(kinds).run()
        assert not app.exception, app.exception
        return app

    return show


def test_untouched_it_gives_the_defaults(shown) -> None:  # type: ignore[no-untyped-def]
    app = shown("{'A': Every, 'B': SimulateSettings}")
    assert app.session_state["made"] == [Every(), SimulateSettings()]


def test_every_kind_of_value_can_be_changed(shown) -> None:  # type: ignore[no-untyped-def]
    app = shown("{'A': Every}")
    app.selectbox[0].select("a")
    app.checkbox[0].uncheck()
    app.number_input[0].set_value(7)
    app.number_input[1].set_value(0.25)
    app.text_input[0].set_value("u")
    app.run()
    [made] = app.session_state["made"]
    assert made == Every("a", False, 7, 0.25, "u")
    assert isinstance(made.number, int)


def test_labels_help_and_bounds_come_from_the_dataclass(shown) -> None:  # type: ignore[no-untyped-def]
    app = shown("{'Outlines': SegmentSettings}")
    described = {f.metadata["label"]: f.metadata for f in fields(SegmentSettings)}
    assert app.number_input
    for one in app.number_input:
        assert (one.help, one.min, one.max) == (described[one.label]["help"], described[one.label]["low"], described[one.label]["high"])


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "1 s"), (42, "42 s"), (95, "2 min"), (4000, "1 h 7 min")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_unknown_values_and_times() -> None:
    assert not known(None)
    assert not known(float("nan"))
    assert known(0)
    assert when("nonsense") == ""
    assert when("2026-03-04T05:06:07+00:00").startswith("2026-03-0")
