"""Settings as options and back."""

import argparse
import shlex
from dataclasses import fields

import pytest

from core.errors import InputError
from core.options import ASSESS_RENAMED, add_options, command, picked, settings_from
from core.settings import AssessSettings, SegmentSettings, SimulateSettings


@pytest.mark.parametrize("settings", [SegmentSettings, AssessSettings, SimulateSettings])
def test_defaults_of_the_command_line_are_those_of_the_settings(settings: type) -> None:
    parser = argparse.ArgumentParser()
    add_options(parser, settings)
    assert settings_from(settings, picked(settings, parser.parse_args([]))) == settings()


def test_a_command_says_only_what_differs_and_gives_the_settings_back() -> None:
    settings = SegmentSettings(model="LC4", diameter_px=42.5)
    words = shlex.split(command("segment", "my exp", settings))
    assert words == ["python", "-m", "core", "segment", "my exp", "--model", "LC4", "--diameter", "42.5"]
    parser = argparse.ArgumentParser()
    add_options(parser, SegmentSettings)
    assert settings_from(SegmentSettings, picked(SegmentSettings, parser.parse_args(words[5:]))) == settings


def test_assess_names_both_models() -> None:
    shown = command("assess", "exp", AssessSettings(classifier="mine", decimal_comma=True), SegmentSettings(model="LC1"), renamed=ASSESS_RENAMED)
    assert shown == "python -m core assess exp --classifier mine --decimal-comma --segmenter LC1"


def test_every_setting_has_words_for_the_form() -> None:
    for settings in (SegmentSettings, AssessSettings, SimulateSettings):
        assert all(field.metadata["label"] for field in fields(settings))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"samples": 0}, "Cultures: wanted a value from 1 to 96, found 0"),
        ({"size": "wide"}, "Field size .*wanted int, found 'wide'"),
        ({"colour": 1}, "no setting colour; it has samples"),
        ({"samples": float("nan")}, "Cultures: wanted int"),
    ],
)
def test_wrong_values_are_refused_in_words(values: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        settings_from(SimulateSettings, values)
