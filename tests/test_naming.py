"""References to planes, safe ids, metadata and kinds from file names."""

import pytest

from core.errors import InputError
from core.fields import Plane, join_reference, kind_of_name, parse_name, safe_id, split_reference
from core.naming import stem_of, without_kind


@pytest.mark.parametrize(
    ("ref", "path", "plane"),
    [
        ("a/b.nd2#C=1,Z=3", "a/b.nd2", Plane(channel=1, z=3)),
        ("a.tif#P=2", "a.tif", Plane(position=2)),
        ("a.tif#T=10,C=0", "a.tif", Plane(channel=0, time=10)),
        ("plain.tif", "plain.tif", Plane()),
        ("dish #3.tif", "dish #3.tif", Plane()),
        ("dish#C=1.tif", "dish#C=1.tif", Plane()),
        ("dish#C=x", "dish#C=x", Plane()),
        ("a#b.tif#Z=1", "a#b.tif", Plane(z=1)),
        ("", "", Plane()),
    ],
)
def test_split_reference(ref: str, path: str, plane: Plane) -> None:
    assert split_reference(ref) == (path, plane)


def test_references_survive_a_round_trip() -> None:
    for plane in (Plane(), Plane(0), Plane(1, 2, 3, 4), Plane(time=7)):
        assert split_reference(join_reference("mappe/æ ø (1).tif", plane)) == ("mappe/æ ø (1).tif", plane)


def test_an_axis_twice_is_refused() -> None:
    with pytest.raises(InputError, match="at most once"):
        split_reference("a.tif#C=0,C=1")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("MSC1_P4_A3_f01_phase.tif", {"sample": "MSC1", "passage": "4", "well": "A3", "field": "01", "kind": "phase"}),
        ("MSC1_P4_A3_f01_stain.tif", {"sample": "MSC1", "passage": "4", "well": "A3", "field": "01", "kind": "stain"}),
        ("MSC1_P4_A3_f01_stain_colour.tif", {"sample": "MSC1", "passage": "4", "well": "A3", "field": "01", "kind": "colour"}),
        ("A172_Phase_C7_1_00d00h00m_1.tif", {"sample": "A172", "well": "C7", "time_h": "0", "field": "1", "kind": "phase"}),
        ("A172_Phase_C7_2_01d12h30m_1.tif", {"sample": "A172", "well": "C7", "time_h": "36.5", "field": "2", "kind": "phase"}),
        ("donor3 p6 ctrl 02.png", {"sample": "donor3", "passage": "6", "condition": "ctrl", "field": "02"}),
        (
            "hMSC-BM-12_P05_doxo_48h_f3_Ph2.ome.tif",
            {"sample": "hMSC-BM-12", "passage": "5", "condition": "doxo", "time_h": "48", "field": "3", "kind": "phase"},
        ),
        ("MSC donor 12 passage 4 field 2.tif", {"sample": "MSC donor 12", "passage": "4", "field": "2"}),
        ("a/b/Donor 2_unstained_B11_day 3.tif", {"sample": "Donor 2", "role": "negative control", "well": "B11", "time_h": "72", "field": "3"}),
        ("MSC1 SA-β-gal 3.tif", {"sample": "MSC1", "kind": "stain", "field": "3"}),
        ("æøå (1).tif", {"sample": "æøå", "field": "1"}),
        ("set01.tif", {}),
        ("0030fd0e6378.png", {}),
        ("phase.tif", {"kind": "phase"}),
    ],
)
def test_default_pattern(name: str, found: dict[str, str]) -> None:
    assert parse_name(name) == found


DATES = ("260114", "140126", "20260114", "2026-01-14", "2026_01_14", "14.01.2026", "14-01-2026", "26-01-14", "14Jan2026", "2026-01-14T1530", "260114_1530")


@pytest.mark.parametrize("before", [*DATES, "P6", "passage 6", "P4+2", "260114_P6", "P6_2026-01-14", "P6_ctrl"])
def test_a_date_or_a_passage_in_front_is_no_culture(before: str) -> None:
    for culture in ("MSC1", "MSC2", "hMSC-BM-12"):
        assert parse_name(f"{before}_{culture}_ctrl_001.tif")["sample"] == culture
        assert parse_name(f"{before}_{culture}_001_phase.tif")["sample"] == culture
    assert parse_name(f"{before}_MSC1.tif")["sample"] == "MSC1"


def test_the_passage_in_front_is_the_passage() -> None:
    assert parse_name("P6_MSC1_001.tif") == {"sample": "MSC1", "passage": "6", "field": "001"}
    assert parse_name("2026-01-14_MSC1_P5_01.tif") == {"sample": "MSC1", "passage": "5", "field": "01"}
    assert parse_name("260114_D1_P4_01.tif")["sample"] == "D1"


@pytest.mark.parametrize(
    ("name", "sample"),
    [
        ("260114_P4_01.tif", "260114"), ("P4_01.tif", "P4"), ("260114_01_phase.tif", "260114"), ("260114_C7_01.tif", "260114"),
        ("260114_doxo_48h_01.tif", "260114"), ("260114_unstained_B11.tif", "260114"), ("260114_img_01.tif", "260114_img"), ("P4_A3_f01_phase.tif", "P4"),
        ("999999_MSC1_P4_01.tif", "999999"), ("MSC1_260114_P4_01.tif", "MSC1_260114"), ("260114_12_P4_01.tif", "260114_12"),
    ],
)  # fmt: skip
def test_where_no_culture_stands_behind_a_date_the_reading_is_the_old_one(name: str, sample: str) -> None:
    assert parse_name(name)["sample"] == sample


def test_own_pattern() -> None:
    pattern = r"^(?P<sample>[^-]+)-(?P<condition>[^-]+)-t(?P<time_h>\d+)"
    assert parse_name("folder/MSC 7-10Gy-t24-3.tif#C=1", pattern) == {"sample": "MSC 7", "condition": "10Gy", "time_h": "24"}
    assert parse_name("other.tif", pattern) == {}
    assert parse_name("any.tif", "") == {}


@pytest.mark.parametrize(
    ("text", "hours"), [("00d12h30m", "12.5"), ("t24h", "24"), ("day 2", "48"), ("d2", "48"), ("36", "36"), ("0.5h", "0.5"), ("90min", "1.5")]
)
def test_times(text: str, hours: str) -> None:
    assert parse_name(f"x_{text}_y.tif", r"x_(?P<time_h>.*)_y")["time_h"] == hours


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(?P<sample>", "not a valid regular expression"),
        ("(?P<donor>x)", "'donor'"),
        ("abc", "no named group"),
        ("[", "not a valid"),
        ("(?P<well>a){99999999999}", "not a valid"),
    ],
)
def test_invalid_patterns(pattern: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_name("a.tif", pattern)


def test_a_time_that_is_none() -> None:
    with pytest.raises(InputError, match=r"a_later\.tif: wanted a time"):
        parse_name("a_later.tif", "_(?P<time_h>.*)")


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("MSC1_P4", "MSC1_P4"),
        ("æøå (1)", "æøå_1"),
        ("../../etc/passwd", "etc_passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("a..b", "a.b"),
        ("", "field"),
        ("...", "field"),
        ("///", "field"),
        ("con", "con_"),
        ("NUL.tif", "NUL_.tif"),
        ("com1", "com1_"),
        ("console", "console"),
        (" spaces  and\ttabs\n", "spaces_and_tabs"),
        ('<a>:"b"|?*', "a_b"),
        ("-rf", "rf"),
        (".hidden", "hidden"),
        ("細胞 3", "細胞_3"),
        ("e\u0301", "é"),
        ("x\0y", "x_y"),
    ],
)
def test_safe_id(name: str, safe: str) -> None:
    assert safe_id(name) == safe
    assert safe_id(safe) == safe


def test_safe_id_is_short_enough_for_every_file_system() -> None:
    assert len(safe_id("ø" * 500).encode()) <= 120


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a_phase.tif", "phase"), ("a_w1Phase.tif", "phase"), ("PH2 a.tif", "phase"), ("a-Brightfield.tif", "phase"), ("phase contrast 1.png", "phase"),
        ("a_stain.tif", "stain"), ("a_SA-b-gal.tif", "stain"), ("a_bgal.tif", "stain"), ("a red filter.tif", "stain"), ("mono_a.tif", "stain"),
        ("a_stain_colour.tif", "colour"), ("a_rgb.tif", "colour"), ("Color a.jpg", "colour"),
        ("set01.tif", ""), ("alphabet.tif", ""), ("sacred.tif", ""), ("monolayer.tif", ""),
    ],
)  # fmt: skip
def test_kind_of_name(name: str, kind: str) -> None:
    assert kind_of_name(name) == kind


def test_words_for_the_kind_are_taken_out() -> None:
    assert without_kind("A172_Phase_C7_1") == "A172_C7_1"
    assert without_kind("phase contrast MSC 1") == "MSC 1"
    assert without_kind("MSC_1_stain_colour", ("colour", "stain")) == "MSC_1"
    assert without_kind("red_01_stain", ("stain",), last_only=True) == "red_01"


def test_stems() -> None:
    assert stem_of("C:\\data\\a b.OME.TIF#C=1") == "a b"
    assert stem_of("x/y.v2.png") == "y.v2"
    assert stem_of("e\u0301.tif") == "é"
