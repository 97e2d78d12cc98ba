import pandas as pd

from core.report.cautions import cautions


def said(assessment, **changed):
    parts = vars(assessment) | changed
    return cautions(*(parts[name] for name in ("settings", "samples", "fields", "cells", "failures", "notes")))


def test_everything_a_reader_must_know(assessment):
    simulated, note, failed, empty, few = said(assessment)
    assert note == "A note of the stage & more."
    assert "simulated cells" in simulated
    assert failed.startswith("1 file could not be assessed")
    assert empty == "In 1 field no cell could be scored."
    assert "MSC1 P2 (1 field, 40 cells)" in few
    assert "P4 (2 fields, 330 cells)" in few


def test_a_sound_assessment_needs_none(assessment):
    sound = assessment.samples.head(1).assign(n_fields=3)
    assert said(assessment, samples=sound, fields=assessment.fields.head(3), failures=assessment.failures.head(0), settings={}, notes=[]) == []


def test_a_correction_from_few_annotated_cultures_is_said(assessment):
    note = "sensitivity known from 12 senescent cells of 2 cultures only"
    samples = assessment.samples.head(1).assign(n_fields=3, reported_notes=f"{note}; only 40 scored cells")
    [text] = [one for one in said(assessment, samples=samples) if "known from" in one]
    assert text.startswith("Sensitivity known from 12 senescent cells of 2 cultures only: ")
    assert text.endswith(f"for {samples['sample'].iloc[0]} P4.")


def test_cultures_of_several_passages_are_named(assessment):
    samples = assessment.samples.assign(passage=["6; 8", "P2", ""], condition=["", "drug; none", ""])
    passage, condition = (one for one in said(assessment, samples=samples) if "differ in" in one)
    assert passage.startswith(f"Fields of one culture differ in passage: {samples['sample'][0]} (6; 8). ")
    assert condition.startswith("Fields of one culture differ in condition: MSC1 P2 (drug; none). ")
    assert not [one for one in said(assessment) if "differ in" in one]


def test_calls_that_are_not_corrected_have_no_corrected_interval(assessment):
    note = "not corrected: sensitivity known from 37 senescent cells of 3 fields of 1 culture only"
    samples = assessment.samples.head(1).assign(n_fields=3, reported_notes=note)
    [text] = [one for one in said(assessment, samples=samples) if "known from" in one]
    assert text.startswith("Not corrected: sensitivity known from 37 senescent cells of 3 fields of 1 culture only: ")
    assert "so the fraction called senescent is given for" in text
    assert "corrected interval" not in text


def test_what_a_note_says_is_not_said_twice(assessment):
    notes = ["Trained on simulated cells only.", "The pixel size is unknown.", "Trained on simulated cells only."]
    cells = assessment.cells.assign(area_um2=pd.NA)
    assert sum("simulated" in text for text in said(assessment, notes=notes)) == 1
    assert sum("ixel size" in text for text in said(assessment, notes=notes, cells=cells)) == 1
    assert any("pixel size of 4 fields of 4" in text for text in said(assessment, notes=[], cells=cells))


def test_long_lists_are_cut(assessment):
    many = pd.concat([assessment.samples.tail(1).assign(sample=f"S{i}") for i in range(20)])
    assert "S5 (1 field, 0 cells) and 14 more" in said(assessment, samples=many)[-1]
