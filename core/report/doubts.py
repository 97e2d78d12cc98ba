"""What makes the fields of an assessment doubtful, in words: strange images, uncertain calls."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import pandas as pd

from core.report.words import SPACE, count, grouped, interval, named, percent
from core.tables import FLAGS, JOIN, LEFT_OUT, MEASURED_FLAGS, UNLIKE, UNUSUAL

NOT_SAID: Final = "The model's file does not say what its training images looked like, so strange images are not recognised."
NOT_SAID_OF_IMAGES: Final = (
    "The model's file does not say how sharp, noisy and contrasted its training images are (it is an older file, or there were fewer than five fields to learn "
    "from or to check with), so inverted images and other cameras or microscopes may pass unnoticed."
)
NAMED: Final = 4  # fields named in one sentence; the table names the others
NAMES: Final = {
    "focus": "Fine detail",
    "brightness": "Brightness",
    "contrast": "Contrast",
    "noise": "Noise",
    "confluence": "Confluence",
    "median_area": "Cell area",
}
_ADVICE: Final = {
    "blurred": "Focus again: a blurred cell loses what tells it apart.",
    "grainy": "Noise looks like this, and so does a sharper lens.",
    "low contrast": "Check phase ring and condenser.",
    "smoothed": "Was the image filtered, averaged or compressed?",
    "noisy": "Give more light or a longer exposure.",
    "sparse": "Cells may have been missed: look at the outlines.",
    "small cells": "Check the outlines and the pixel size.",
    "large cells": "Check the outlines and the pixel size.",
}


def learned_of(settings: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What an assessment's ``settings.json`` says of the classifier's training images; None where nothing."""
    found = _classifier(settings).get("learned")
    return found if isinstance(found, Mapping) else None


def doubts(settings: Mapping[str, Any], fields: pd.DataFrame) -> list[str]:
    """Sentences for the reader, the gravest first; none where there is nothing to doubt (or the assessment is an old one)."""
    if "learned" in _classifier(settings) and learned_of(settings) is None:
        return [NOT_SAID, *_left_out(fields)]
    learned = learned_of(settings) or {}
    lacking = [NOT_SAID_OF_IMAGES] if learned and not learned.get("looks") and len(fields) else []
    strange = [(len(_flagged(fields, UNLIKE)), _unlike(fields, learned)), (len(_flagged(fields, UNUSUAL)), _unusual(fields))]
    first = [text for _, found in sorted(strange, key=lambda one: -one[0]) for text in found]  # what more fields show comes first
    return [*first, *_out_of_range(settings, fields, learned), *_left_out(fields), *lacking]


def flags_of(row: Mapping[str, Any]) -> list[str]:
    """The quality flags of a row of ``tables.ASSESSED_FIELDS``."""
    text = row.get("flags")
    return text.split(JOIN) if isinstance(text, str) and text else []


def uncertain_words(row: Mapping[str, Any]) -> str:
    """ "12 uncertain: 28-35 %" of a row of fields or cultures; an empty text where no cell is uncertain, or nobody asked."""
    n = row.get("n_uncertain")
    if n is None or pd.isna(n) or not n:
        return ""
    return f"{grouped(n)} uncertain: {interval(row['fraction_uncertain_low'], row['fraction_uncertain_high'])} if all were one or the other"


def quality_section(settings: Mapping[str, Any], fields: pd.DataFrame) -> dict[str, Any] | None:
    """What the report's section shows beside the tables; None for an assessment from before there was such a thing."""
    if "learned" not in _classifier(settings):
        return None
    learned, um = learned_of(settings), in_um(settings)
    rows = [row | {"measures": [measure(column, row[column], um) for column in NAMES]} for row in fields.to_dict("records")]
    return {
        "learned": learned,
        "not_said": NOT_SAID,
        "band": (settings.get("settings") or {}).get("uncertain"),
        "names": list(NAMES.values()),
        "usual": [measured_range(column, learned or {}, um) for column in NAMES],
        "rows": rows,
    }


def measure(column: str, value: Any, in_um: bool = False) -> str:
    """A value of a column of ``tables.MEASURED_FLAGS`` as people read it; unknown is an en dash."""
    if pd.isna(value):
        return "–"
    if column == "median_area":
        return f"{grouped(round(float(value)))}{SPACE}{'µm²' if in_um else 'px²'}"
    if column == "noise":
        return f"{100 * value:.1f}{SPACE}%"
    return percent(value) if column != "focus" else f"{value:.2f}"


def measured_range(column: str, learned: Mapping[str, Any], in_um: bool = False) -> str:
    """Where the median of a field like the training fields lies: "0.31 to 0.72"; an empty text where that is not known."""
    ends = learned.get("ranges", {}).get(column)
    if not ends:
        return ""
    high = min(ends[1], 1.0) if column in ("confluence", "brightness") else ends[1]
    return f"{measure(column, ends[0], in_um).split(SPACE)[0]} to {measure(column, high, in_um)}"


def in_um(settings: Mapping[str, Any]) -> bool:
    """Whether ``median_area`` is in µm²."""
    return _classifier(settings).get("pixel_size_um") is not None


def _classifier(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    found = (settings.get("models") or {}).get("classifier")
    return found if isinstance(found, Mapping) else {}


def _flagged(fields: pd.DataFrame, flag: str) -> pd.DataFrame:
    return fields[[flag in flags_of(row) for row in fields.to_dict("records")]]


def _unlike(fields: pd.DataFrame, learned: Mapping[str, Any]) -> Iterable[str]:
    found = _flagged(fields, UNLIKE)
    if found.empty:
        return
    whole = len(found) > len(fields) / 2
    who = "This lot does not look like what the model learned" if whole else "Some fields do not look like what the model learned"
    expected = percent(learned.get("beyond", 0.01))
    n, of = int(found["n_unlike"].sum()), int(found["n_scored"].sum())
    usual, median = learned.get("ranges", {}).get("training_distance"), found["training_distance"].median()
    said = []
    if not of or n / of > learned.get("beyond", 0.01):  # else the cells beyond the limit are no more than usual, and only the middle one tells
        far = f"{grouped(n)} of {count(of, 'cell')} ({percent(n / of if of else None)}) lie farther from its training cells than cells of its own kind do"
        said.append(f"{far} ({expected} would be usual)")
    if usual and median > usual[1]:
        said.append(f"the middle cell lies at {median:.2f} of the distance within which cells of its own kind do, where up to {usual[1]:.2f} is usual")
    if said:
        yield f"{who}: in {_where(found, fields)}, {', and '.join(said)}. Its calls there are guesses until a stain has confirmed them."


def _unusual(fields: pd.DataFrame) -> Iterable[str]:
    found = _flagged(fields, UNUSUAL)
    if found.empty:
        return
    traits = found["image_traits"].fillna("").str.split(JOIN).explode()
    traits = traits[traits != ""].value_counts(sort=True)  # each is said once, the most common first
    said = f": {', '.join(traits.index[:NAMED])}" if len(traits) else ""
    where, far = _where(found, fields), found["image_distance"].max()
    yield (
        f"Unusual images in {where}{said}. They lie up to {far:.1f} times as far from the training images as like ones do. "
        "Check focus, light, phase ring and file format; calls on such images are not to be relied on."
    )


def _out_of_range(settings: Mapping[str, Any], fields: pd.DataFrame, learned: Mapping[str, Any]) -> Iterable[str]:
    for column, flags in MEASURED_FLAGS.items():
        usual = measured_range(column, learned, in_um(settings))
        for flag in flags:
            found = _flagged(fields, flag)
            if found.empty:
                continue
            ends = [measure(column, end, in_um(settings)) for end in (found[column].min(), found[column].max())]
            values = ends[0] if ends[0] == ends[1] else f"{ends[0]} to {ends[1]}"
            said = f"{FLAGS[flag].capitalize()}: {_where(found, fields)}, {NAMES[column].lower()} {values}; usual is {usual}. {_advice(flag, settings)}"
            yield said.rstrip()


def _advice(flag: str, settings: Mapping[str, Any]) -> str:
    if flag in MEASURED_FLAGS["brightness"] and _classifier(settings).get("intensity") == "field":
        return "This classifier evens out the exposure, so this alone changes little; the noise of a dark image and the white of an overexposed one do."
    return _ADVICE.get(flag, "")


def _left_out(fields: pd.DataFrame) -> Iterable[str]:
    found = _flagged(fields, LEFT_OUT)
    if not found.empty:
        yield f"In {_where(found, fields)} more than half of the outlined cells were not scored; what is left may not stand for the field."


def _where(found: pd.DataFrame, fields: pd.DataFrame) -> str:
    return f"{len(found)} of {count(len(fields), 'field')} ({named(list(found['fov_id']), NAMED)})"
