"""The table of fields from lists of files."""

import pandas as pd
import pytest

from core.errors import InputError
from core.fields import table_of
from core.tables import FIELDS, typed


def test_metadata_and_pairs() -> None:
    pairing = table_of(["MSC1_P4_A3_f01_phase.tif", "A172_Phase_C7_1_00d00h00m_1.tif"], ["MSC1_P4_A3_f01_stain.tif"], ["MSC1_P4_A3_f01_colour.tif"])
    first, second = pairing.table.to_dict("records")
    assert list(pairing.table.columns) == list(FIELDS)
    assert (first["fov_id"], first["sample"], first["passage"], first["well"], first["role"]) == ("MSC1_P4_A3_f01", "MSC1", "4", "A3", "sample")
    assert (first["stain"], first["colour"]) == ("MSC1_P4_A3_f01_stain.tif", "MSC1_P4_A3_f01_colour.tif")
    assert (second["fov_id"], second["sample"], second["well"], second["time_h"]) == ("A172_C7_1_00d00h00m_1", "A172", "C7", 0.0)
    assert (second["stain"], second["colour"]) == ("", "")
    assert (pairing.unpaired, pairing.notes) == ([], [])


@pytest.mark.parametrize(
    ("phase", "stain"),
    [
        ("MSC1_f01_phase.tif", "msc1-f01-STAIN.tif"),
        ("phase_MSC1_f01.tif", "MSC1_stain_f01.png"),
        ("MSC1_f01.tif", "MSC1_f01_bgal.tif"),
        ("MSC1 f01 Ph.tif", "MSC1_f1_red.tif"),
        ("MSC1_f01_ch00.tif", "MSC1_f01_ch01.tif"),
        ("MSC1_f01_w1Phase.tif", "MSC1_f01_w2Red.tif"),
        ("red_01_phase.tif", "red_01_stain.tif"),
        ("01_red_phase.tif", "01_red.tif"),
        ("phase/f01.tif", "stain/f01.tif"),
        ("images/phase contrast/f01.tif", "images/SA-b-gal/f01.tif"),
        ("a/f01.tif", "elsewhere/b/f01_stain.tif"),
        ("m.nd2#C=0,P=1", "m.nd2#C=1,P=1"),
        ("m.nd2#C=0,Z=3,P=1", "m.nd2#C=1,Z=0,P=1"),
        ("cafe\u0301_phase.tif", "café_stain.tif"),
        ("MSC1_f01_phase.tif", "MSC1_f01_phase_stain.tif"),
    ],
)
def test_pairs_by_name(phase: str, stain: str) -> None:
    pairing = table_of([phase, "unrelated_99_phase.tif"], [stain])
    assert pairing.table["stain"].tolist() == [stain, ""]
    assert pairing.unpaired == []


def test_folders_tell_equal_names_apart() -> None:
    pairing = table_of(["d1/img01.tif", "d2/img01.tif"], ["d2/img01_stain.tif", "d1/img01_stain.tif"])
    assert pairing.table["stain"].tolist() == ["d1/img01_stain.tif", "d2/img01_stain.tif"]
    assert pairing.table["sample"].tolist() == ["d1", "d2"]
    assert pairing.table["fov_id"].tolist() == ["img01", "img01_2"]
    assert "img01_2" in pairing.notes[0]


def test_positions_are_not_mixed_up() -> None:
    pairing = table_of(["m.nd2#C=0,P=0", "m.nd2#C=0,P=1"], ["m.nd2#C=1,P=1", "m.nd2#C=1,P=0"])
    assert pairing.table["stain"].tolist() == ["m.nd2#C=1,P=0", "m.nd2#C=1,P=1"]
    assert pairing.table["fov_id"].tolist() == ["m_P0", "m_P1"]


def test_two_stain_files_for_one_field_stay_unpaired() -> None:
    pairing = table_of(["x_phase.tif"], ["x_stain.tif", "x_red.tif"])
    assert pairing.table["stain"].tolist() == [""]
    assert pairing.unpaired == ["x_stain.tif", "x_red.tif"]
    assert "x_stain.tif, x_red.tif and field x" in pairing.notes[0]


def test_two_fields_for_one_stain_file_stay_unpaired() -> None:
    pairing = table_of(["x_phase.tif", "x_bf.tif"], ["x_stain.tif"])
    assert pairing.table["stain"].tolist() == ["", ""]
    assert pairing.table["fov_id"].tolist() == ["x_phase", "x_bf"]
    assert pairing.unpaired == ["x_stain.tif"]


def test_a_stain_file_without_a_field_is_listed() -> None:
    assert table_of(["a_phase.tif"], ["b_stain.tif"], ["c_rgb.tif"]).unpaired == ["b_stain.tif", "c_rgb.tif"]


@pytest.mark.parametrize(
    ("refs", "samples"),
    [
        (["images/set01.tif", "images/set02.tif"], ["set", "set"]),
        (["d1/01.tif"], ["d1"]),
        (["01.tif"], ["sample"]),
        (["d1/img1.tif", "d2/img1.tif"], ["d1", "d2"]),
        (["culture.tif"], ["culture"]),
    ],
)
def test_default_sample(refs: list[str], samples: list[str]) -> None:
    assert table_of(refs).table["sample"].tolist() == samples


def test_passages_and_conditions_are_cultures_of_their_own() -> None:
    pairing = table_of(["MSC1_P4_f1.tif", "MSC1_P4_f2.tif", "MSC1_P9_f1.tif", "MSC2_P4_ctrl_f1.tif", "MSC2_P4_doxo_f1.tif"])
    assert pairing.table["sample"].tolist() == ["MSC1 P4", "MSC1 P4", "MSC1 P9", "MSC2 ctrl", "MSC2 doxo"]
    assert len(pairing.notes) == 2
    assert table_of(["MSC1_P4_f1.tif", "MSC1_P4_f2.tif"]).table["sample"].tolist() == ["MSC1", "MSC1"]


def test_ids_ignore_case_and_are_safe() -> None:
    table = table_of(["x/A.tif", "y/a.tif", "æøå (1).tif", "con.tif", "../../b.tif"]).table
    assert table["fov_id"].tolist() == ["A", "a_2", "æøå_1", "con_", "b"]


def test_files_given_twice_count_once() -> None:
    pairing = table_of(["a_phase.tif", "a_phase.tif"], ["a_stain.tif"])
    assert len(pairing.table) == 1
    assert "more than once" in pairing.notes[0]


def test_one_folder_for_phase_and_stain_is_sorted_by_name() -> None:
    files = ["a_phase.tif", "a_stain.tif", "b_phase.tif", "b_stain.tif"]
    pairing = table_of(files, files)
    assert pairing.table["phase"].tolist() == ["a_phase.tif", "b_phase.tif"]
    assert pairing.table["stain"].tolist() == ["a_stain.tif", "b_stain.tif"]


def test_what_is_there_stays() -> None:
    before = table_of(["MSC1_P4_f1_phase.tif"]).table
    before.loc[0, ["sample", "condition"]] = ["mine", "edited"]
    pairing = table_of(["MSC1_P4_f1_phase.tif", "MSC1_P4_f1.tif"], ["MSC1_P4_f1_phase_stain.tif"], existing=before)
    assert pairing.table["phase"].tolist() == ["MSC1_P4_f1_phase.tif", "MSC1_P4_f1.tif"]
    assert pairing.table["sample"].tolist() == ["mine", "MSC1"]
    assert pairing.table["fov_id"].tolist() == ["MSC1_P4_f1", "MSC1_P4_f1_2"]


def test_a_stain_image_can_be_added_later() -> None:
    before = table_of(["a_phase.tif", "b_phase.tif"], ["a_stain.tif"]).table
    pairing = table_of([], ["b_stain.tif", "a_stain.tif"], existing=before)
    assert pairing.table["stain"].tolist() == ["a_stain.tif", "b_stain.tif"]
    assert pairing.unpaired == []


def test_nothing_given() -> None:
    pairing = table_of([])
    assert pairing.table.equals(typed(pd.DataFrame(columns=list(FIELDS)), FIELDS))


def test_an_invalid_pattern_is_refused() -> None:
    with pytest.raises(InputError, match="regular expression"):
        table_of(["a.tif"], pattern="(")


def test_many_files_take_no_time() -> None:
    names = [f"MSC{i % 9}_P{i % 5}_f{i:04d}" for i in range(1500)]
    pairing = table_of([f"{n}_phase.tif" for n in names], [f"{n}_stain.tif" for n in reversed(names)])
    assert (pairing.table["stain"].str.replace("stain", "phase") == pairing.table["phase"]).all()
