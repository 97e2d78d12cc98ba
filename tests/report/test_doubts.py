"""Doubtful fields in plain words, with numbers."""

from html import unescape
from typing import Any

import pandas as pd
import pytest

from core.report.cautions import cautions
from core.report.doubts import NOT_SAID, NOT_SAID_OF_IMAGES, doubts, flags_of, measured_range, quality_section, uncertain_words
from core.tables import ASSESSED_FIELDS, FLAGS, typed

LEARNED = {
    "beyond": 0.01,
    "cells": 900,
    "held_out": 300,
    "fields": 24,
    "ranges": {"focus": [0.31, 0.72], "median_area": [900.0, 4100.0], "confluence": [0.1, 1.3], "noise": [0.008, 0.03]},
    "looks": {"fields": 24, "held_out": 20},
}


def settings(learned: dict | None = LEARNED, **more: Any) -> dict[str, Any]:
    return {"models": {"classifier": {"learned": learned, "pixel_size_um": 1.0, "intensity": "range", **more}}, "settings": {"uncertain": 0.1}}


def fields(*flags: str, **more: Any) -> pd.DataFrame:
    values = {"n_scored": 40, "n_unlike": 0, "focus": 0.5, "brightness": 0.4, "confluence": 0.3, "median_area": 2000.0} | more
    return typed(pd.DataFrame({"fov_id": [f"f{k}" for k in range(len(flags))], "flags": flags} | values), ASSESSED_FIELDS)


def test_nothing_to_doubt() -> None:
    assert doubts(settings(), fields("", "")) == []
    assert doubts({}, fields("", "")) == []  # an assessment of before


def test_a_whole_lot_that_is_strange_is_said_aloud() -> None:
    [said] = doubts(settings(), fields("unlike training", "unlike training", "", n_unlike=20))
    assert said.startswith("This lot does not look like what the model learned: in 2 of 3 fields (f0, f1), 40 of 80 cells (50")
    assert "guesses until a stain has confirmed them" in said


def test_some_strange_fields_are_named() -> None:
    [said] = doubts(settings(), fields("unlike training", "", "", n_unlike=4))
    assert said.startswith("Some fields do not look like what the model learned: in 1 of 3 fields (f0), 4 of 40 cells (10")


def test_measured_flags_come_with_their_numbers_and_the_usual_ones() -> None:
    [said] = doubts(settings(), fields("blurred", "blurred", "", focus=[0.1, 0.2, 0.5]))
    assert said.startswith("Less fine detail than in the training images: 2 of 3 fields (f0, f1), fine detail 0.10 to 0.20; usual is 0.31 to 0.72. Focus again")
    [said] = doubts(settings(), fields("large cells", median_area=9000.0))
    assert "1 of 1 field (f0), cell area 9" in said
    assert "µm²; usual is 900" in said


@pytest.mark.parametrize(("intensity", "evens_out"), [("field", True), ("range", False)])
def test_a_classifier_that_evens_out_the_exposure_is_said_to(intensity: str, evens_out: bool) -> None:
    learned = LEARNED | {"ranges": {"brightness": [0.2, 0.5]}}
    [said] = doubts(settings(learned, intensity=intensity), fields("dark", brightness=0.05))
    assert "Darker than the training images: 1 of 1 field (f0), brightness 5" in said
    assert ("evens out the exposure" in said) == evens_out


def test_a_model_that_does_not_say_what_it_learned_is_said_so() -> None:
    assert doubts(settings(None), fields("", "many left out")) == [
        NOT_SAID,
        "In 1 of 2 fields (f1) more than half of the outlined cells were not scored; what is left may not stand for the field.",
    ]


def test_unusual_images_are_said_with_what_differs() -> None:
    odd = fields(
        "unusual image", "unusual image; dark", "", image_distance=[1.2, 3.0, 0.4], image_traits=["less noise", "cells brighter against the field", ""]
    )
    said = doubts(settings(), odd)[0]
    assert said.startswith("Unusual images in 2 of 3 fields (f0, f1): less noise, cells brighter against the field. They lie up to 3.0 times as far")


@pytest.mark.parametrize(
    ("flags", "first"),
    [(("unlike training", "unusual image", "unusual image"), "Unusual"), (("unlike training", "unlike training", "unusual image"), "This lot")],
)
def test_what_more_fields_show_is_said_first(flags: tuple[str, ...], first: str) -> None:
    one, other = doubts(settings(), fields(*flags, n_unlike=[20, 20, 0], image_distance=2.0))
    assert one.startswith(first)
    assert "look like what the model learned" in (other if first == "Unusual" else one)


def test_what_differs_is_said_once_the_most_common_first() -> None:
    traits = ["less detail; less fine detail", "less fine detail; smoother surfaces", "less fine detail"]
    said = doubts(settings(), fields(*["unusual image"] * 3, image_distance=2.0, image_traits=traits))[0]
    assert said.startswith("Unusual images in 3 of 3 fields (f0, f1, f2): less fine detail, less detail, smoother surfaces. ")


def test_a_field_is_unlike_by_what_is_worse_than_usual_only() -> None:
    far = LEARNED | {"ranges": {"training_distance": [0.2, 0.7]}}
    [said] = doubts(settings(far), fields("unlike training", "", n_scored=13, training_distance=[0.9, 0.5]))
    assert said.startswith("Some fields do not look like what the model learned: in 1 of 2 fields (f0), the middle cell lies at 0.90 of the distance")
    assert "0 of 13" not in said
    [said] = doubts(settings(far), fields("unlike training", "", n_unlike=5, training_distance=0.5))
    assert "5 of 40 cells" in said
    assert "middle cell" not in said
    assert doubts(settings(far), fields("unlike training", "", training_distance=0.5)) == []


def test_noise_and_contrast_come_with_their_numbers() -> None:
    [said] = doubts(settings(), fields("noisy", noise=0.051))
    assert (
        "More noise of the camera than in the training images, as in too little light: 1 of 1 field (f0), noise 5.1\u00a0%; usual is 0.8 to 3.0\u00a0%." in said
    )


def test_a_file_of_before_images_were_described_is_said_so() -> None:
    old = {key: value for key, value in LEARNED.items() if key != "looks"}
    assert doubts(settings(old), fields("")) == [NOT_SAID_OF_IMAGES]
    assert doubts(settings(old | {"looks": None}), fields("")) == [NOT_SAID_OF_IMAGES]
    assert doubts(settings(old), fields()) == []


def test_few_cells_on_the_area_may_be_missed_ones() -> None:
    [said] = doubts(settings(), fields("sparse", confluence=0.05))
    assert said.endswith("Cells may have been missed: look at the outlines.")


def test_long_lists_are_cut() -> None:
    [said] = doubts(settings(), fields(*["many left out"] * 9))
    assert "(f0, f1, f2, f3 and 5 more)" in said


def test_flags_and_uncertain_cells_of_a_row() -> None:
    assert flags_of({"flags": "blurred; dark"}) == ["blurred", "dark"]
    assert flags_of({"flags": ""}) == flags_of({}) == []
    row = {"n_uncertain": 12, "fraction_uncertain_low": 0.28, "fraction_uncertain_high": 0.35}
    assert uncertain_words(row).startswith("12 uncertain: 28–35")
    assert uncertain_words(row | {"n_uncertain": 0}) == uncertain_words({"n_uncertain": pd.NA}) == uncertain_words({}) == ""


def test_a_share_is_at_most_all() -> None:
    assert measured_range("confluence", LEARNED).endswith("100\u00a0%")
    assert measured_range("brightness", LEARNED) == ""


def test_the_section_of_the_report() -> None:
    found = quality_section(settings(), fields("blurred"))
    assert found is not None
    assert found["usual"] == ["0.31 to 0.72", "", "", "0.8 to 3.0\u00a0%", "10 to 100\u00a0%", "900 to 4\u202f100\u00a0µm²"]
    assert found["rows"][0]["measures"] == ["0.50", "40\u00a0%", "–", "–", "30\u00a0%", "2\u202f000\u00a0µm²"]
    assert quality_section({}, fields("")) is None


@pytest.mark.parametrize("learned", [LEARNED, None])
def test_the_report_shows_them(assessment, tmp_path, learned: dict | None) -> None:
    from core.report import html_report

    about = assessment.settings | {"engines": ["engine fp32"]}
    about["models"] = {"classifier": about["models"]["classifier"] | settings(learned)["models"]["classifier"]}
    strange = assessment.fields.assign(flags="blurred; dark", n_unlike=3, n_uncertain=2, focus=0.1)
    html_report(tmp_path / "r.html", about, assessment.samples, strange, assessment.cells, assessment.failures, assessment.overlays)
    text = unescape((tmp_path / "r.html").read_text(encoding="utf-8").split("<script>")[0])
    assert "Image quality and uncertain calls" in text
    assert "<b>blurred; dark</b>" in text
    assert "engine fp32" in text
    assert ("0.31 to 0.72" in text, NOT_SAID in text) == (learned is not None, learned is None)
    said = cautions(about, assessment.samples, strange, assessment.cells, assessment.failures, [])
    assert any(one.startswith("Less fine detail") for one in said) == (learned is not None)


def test_every_flag_has_a_meaning() -> None:
    assert all(meaning and meaning[0].islower() for meaning in FLAGS.values())
