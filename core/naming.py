"""What file names say: references to a plane, safe ids, metadata by a pattern, and words for the kind of image."""

import re
import unicodedata
from collections.abc import Iterable

from core.errors import InputError
from core.images.picture import Plane
from core.images.reading import IMAGE_SUFFIXES

_FRAGMENT = re.compile(r"^(.*)#((?:[CZTP]=[0-9]+)(?:,[CZTP]=[0-9]+)*)$", re.DOTALL)

# Words that tell the kind of image. A word counts only between separators (anything but letters and digits).
_B, _E = r"(?<![^\W_])", r"(?![^\W_])"
_WORDS = {
    "phase": r"phase(?:[\W_]*contrast)?|phc?[123l]?|pc|bf|bright[\W_]*field|tl|trans(?:mitted)?|dic",
    "stain": r"stain(?:ed|ing)?|(?:sa[\W_]*)?(?:b|beta|β)[\W_]*gal(?:actosidase)?|x[\W_]*gal|lacz|red(?:[\W_]*filter)?|mono(?:chrome)?",
    "colour": r"colou?r|rgb",
}
_CHANNEL = r"ch\d{1,2}"  # "ch00" beside "ch01": a kind without a name
_KIND = {kind: re.compile(rf"{_B}(?:w\d)?(?:{words}){_E}", re.IGNORECASE) for kind, words in _WORDS.items()}
_ANY_KIND = re.compile(rf"{_B}(?:w\d)?(?:{'|'.join(_WORDS.values())}|{_CHANNEL}){_E}", re.IGNORECASE)

# The pattern that users see: one line a column, a word between separators each; (?:\b|_) is the edge of a word.
_K = r"phase|ph\d?|pc|bf|stain|(?:sa-?)?[bβ]-?gal|x-?gal|red|mono|colou?r|rgb"
_C = r"ctrl|control|(?:un)?treated|vehicle|dmso|doxo[a-z]*|h2o2|\d+gy|young|old"
_LAST = rf"\d+(?=\W*$|[\W_]+(?:{_K}))"

# What may stand before the culture: a date (260114, 2026-01-14, 14.01.2026, 14Jan2026; a clock time behind it) or a passage.
_MM, _DD = r"(?:0[1-9]|1[0-2])", r"(?:0[1-9]|[12]\d|3[01])"
_M, _D, _YYYY = r"(?:0?[1-9]|1[0-2])", r"(?:0?[1-9]|[12]\d|3[01])", r"(?:19|20)\d\d"
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_DATE = (
    rf"(?:(?:{_YYYY}|\d\d){_MM}{_DD}|{_DD}{_MM}(?:{_YYYY}|\d\d)|{_YYYY}[-._ ]{_M}[-._ ]{_D}|{_D}[-._ ]{_M}[-._ ]{_YYYY}"
    rf"|\d\d[-.]{_MM}[-.]{_DD}|{_DD}[-.]{_MM}[-.]\d\d|{_D}[-._ ]?{_MONTH}[-._ ]?(?:{_YYYY}|\d\d)|{_YYYY}[-._ ]?{_MONTH}[-._ ]?{_D})"
    r"(?:[T _-]+\d\d[-.]?\d\d(?:[-.]?\d\d)?)?"
)
_PASSAGE = r"p(?:assage)?[ _-]?\d{1,2}(?:\+\d+)?"
_BEFORE = rf"(?:{_DATE}|{_PASSAGE})(?:[\W_]+(?:{_DATE}|{_PASSAGE}|{_C}))*"
# A word that is no culture even behind a date; a well is one only where a passage follows ("260114_D1_P4": donor 1).
_NONE = (
    rf"{_DATE}|{_PASSAGE}|{_K}|{_C}|\d+(?:\.\d+)?(?:h|d\d*\w*)?|(?:t|day[ ]?|(?-i:d))\d+h?|(?:unstained|neg|pos)\w*"
    rf"|(?:f|fov|field|xy|img|image|scan|snap(?:shot)?|picture)[ _-]?\d*|(?-i:[A-H])(?:0?[1-9]|1[0-2])(?![\W_]+{_PASSAGE})"
)

DEFAULT_PATTERN = rf"""(?xi)^
(?=.*?(?:\b|_)(?P<kind>(?:stain[\W_]+)?(?:{_K}))(?:\b|_))?
(?=.*?(?:\b|_)p(?:assage)?[ _-]?(?P<passage>\d{{1,2}}(?:\+\d+)?)(?:\b|_))?
(?=.*?(?:\b|_)(?P<well>(?-i:[A-H])(?:0?[1-9]|1[0-2]))(?:\b|_))?
(?=.*?(?:\b|_)(?P<time_h>\d+d\d+h(?:\d+m)?|t?\d+(?:\.\d+)?h|(?:day[ ]?|(?-i:d))\d+)(?:\b|_))?
(?=.*?(?:\b|_)(?P<role>unstained|(?:neg|pos)\w*?[ _-]?(?:ctrl|control))(?:\b|_))?
(?=.*?(?:\b|_)(?P<condition>{_C})(?:\b|_))?
(?=.*?(?:\b|_)(?:(?:f|fov|field|pos|xy|img)[ _-]?|[A-H]\d+[ _-]|(?={_LAST}))(?P<field>\d+)(?:\b|_))?
({_BEFORE}[\W_]+(?!(?:{_NONE})(?:\b|_)))?
(?:(?!(?:{_K}|f\d+|unstained|neg\w*|pos\w*)(?:\b|_))(?P<sample>\w.*?)(?:[\W_]+
(?:{_K}|{_C}|[a-z]{{1,3}}\d+(?:\+\d+)?|\d+[a-z]\w*?|(?:passage|field|day)[ ]?\d+|unstained|(?:neg|pos)\w*|{_LAST})(?:\b|_)|(?(8)\W*$|(?!))))?"""
"""Reads each column from a word of its own, wherever it stands: kind ("phase", "bgal", "colour", ...), passage ("P4",
"passage 4"), well ("C7"), time ("00d12h00m", "48h", "day 3"), role ("unstained", "neg ctrl"), condition ("ctrl",
"doxo", "10Gy", ...), field ("f01", the number after a well, the last number). The sample is what stands before the first
of them; where nothing does, there is no sample. A date or passage in front (group 8) is no sample: the sample is what stands
behind it, up to the end of the name where need be. Only where nothing is left there, it stands for the sample itself."""

PATTERN_GROUPS = ("sample", "role", "passage", "condition", "well", "field", "time_h", "kind")


def split_reference(ref: str) -> tuple[str, Plane]:
    """Take an image reference apart: "a/b.nd2#C=1,Z=3" is ("a/b.nd2", Plane(channel=1, z=3)).

    Only a fragment of the axes C, Z, T, P counts; any other "#" belongs to the file name.
    """
    match = _FRAGMENT.match(ref)
    if not match:
        return ref, Plane()
    pairs = [part.split("=") for part in match[2].split(",")]
    if len({axis for axis, _ in pairs}) < len(pairs):
        raise InputError(f"{ref}: wanted each of C, Z, T, P at most once after the #.")
    return match[1], Plane.of({axis: int(index) for axis, index in pairs})


def join_reference(path: str, plane: Plane) -> str:
    """The reverse of ``split_reference``; axes in the order C, Z, T, P."""
    return f"{path}#{plane}" if str(plane) else path


def stem_of(ref: str) -> str:
    """File name of a reference without folders, plane and image suffix (also ".ome.tif"), in composed unicode."""
    name = re.split(r"[\\/]", split_reference(ref)[0])[-1]
    suffixes = sorted(IMAGE_SUFFIXES, key=len, reverse=True)
    known = next((suffix for suffix in suffixes if name.lower().endswith(suffix)), None)
    stem = name[: -len(known)] if known else name.rsplit(".", 1)[0]
    return unicodedata.normalize("NFC", stem or name)


def folders_of(ref: str) -> list[str]:
    return [part for part in re.split(r"[\\/]", split_reference(ref)[0])[:-1] if part not in ("", ".", "..")]


def kind_of_name(name: str) -> str:
    """ "phase", "stain" or "colour" by the words in a file name; "" where it says nothing. Colour wins over stain over phase."""
    return next((kind for kind in ("colour", "stain", "phase") if _KIND[kind].search(stem_of(name))), "")


def without_kind(stem: str, kinds: Iterable[str] = (), last_only: bool = False) -> str:
    """``stem`` without its words for ``kinds`` (all kinds where none is named), or without the last such word only.

    One separator stays where a word was taken out of the middle: "A172_Phase_C7" becomes "A172_C7".
    """
    patterns = [_KIND[kind] for kind in kinds] or [_ANY_KIND]
    spans = sorted(match.span() for pattern in patterns for match in pattern.finditer(stem))
    for start, end in reversed(spans[-1:] if last_only else spans):
        left, right = stem[:start].rstrip(" _.-,"), stem[end:].lstrip(" _.-,")
        gap = stem[len(left) : start][:1] if left and right else ""
        stem = left + gap + right
    return stem


def parse_name(name: str, pattern: str = DEFAULT_PATTERN) -> dict[str, str]:
    """Metadata that the file name holds.

    Parameters
    ----------
    name : file name or reference; folders, plane and image suffix are taken off first
    pattern : regular expression (searched for in the name) with named groups out of ``PATTERN_GROUPS``; "" finds nothing

    Returns
    -------
    dict of the groups found, ready for the columns of fields.csv: time_h as a number of hours ("00d12h30m" is "12.5",
    "day 2" is "48", "24" is "24"), passage without leading zeros, role and kind in the words of the project.

    Raises
    ------
    InputError
        The pattern is not valid, has other groups, or finds a time that is none.
    """
    compiled = _compiled(pattern)
    match = compiled.search(stem_of(name)) if pattern else None
    found = {key: value.strip() for key, value in match.groupdict().items() if value and value.strip()} if match else {}
    if match and {"role", "condition"} <= found.keys() and match.start("role") <= match.start("condition") < match.end("role"):
        del found["condition"]  # the "ctrl" of "neg ctrl"
    return {key: _column_value(key, value, name) for key, value in found.items()}


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise InputError(f"The name pattern is not a valid regular expression: {error}.") from None
    unknown = [group for group in compiled.groupindex if group not in PATTERN_GROUPS]
    if unknown or (pattern and not compiled.groupindex):
        found = f"the group {unknown[0]!r}" if unknown else "no named group"
        raise InputError(f"The name pattern has {found}; wanted groups such as (?P<sample>...) out of: {', '.join(PATTERN_GROUPS)}.")
    return compiled


def _column_value(column: str, text: str, name: str) -> str:
    if column == "time_h":
        return _hours(text, name)
    if column == "role":
        return _role(text)
    if column == "kind":
        return next((kind for kind in ("colour", "stain", "phase") if _KIND[kind].search(text)), text)
    if column == "passage":
        return re.sub(r"^0+(?=\d)", "", text)
    return text


_ROLES = ((re.compile(r"neg|unstained", re.IGNORECASE), "negative control"), (re.compile(r"pos", re.IGNORECASE), "positive control"))


def _role(text: str) -> str:
    return next((role for words, role in _ROLES if words.search(text)), "sample")


_PARTS = re.compile(r"(\d+(?:\.\d+)?)\s*(d|h|m|min)?", re.IGNORECASE)
_HOURS = {"d": 24.0, "h": 1.0, "m": 1 / 60, "min": 1 / 60, "": 1.0}


def _hours(text: str, name: str) -> str:
    """Hours out of "00d12h30m", "t24h", "day 2", "d2", "36"; a plain number is hours."""
    parts = _PARTS.findall(text)
    if not parts:
        raise InputError(f"{name}: wanted a time such as 24, 24h or 01d12h30m, found {text!r}. Correct the name pattern.")
    if re.match(r"\s*d", text, re.IGNORECASE):
        return f"{float(parts[0][0]) * 24:.10g}"
    return f"{sum(float(number) * _HOURS[unit.lower()] for number, unit in parts):.10g}"


_RESERVED = {"con", "prn", "aux", "nul", *(f"{device}{digit}" for device in ("com", "lpt") for digit in "0123456789¹²³")}
_LONGEST = 120  # bytes of UTF-8: leaves room for suffixes within the 255 of file systems


def safe_id(name: str) -> str:
    """A file-name-safe id on Linux, Windows and macOS.

    Letters and digits of any script, ".", "_" and "-" stay; runs of anything else (separators, spaces, brackets) become
    one "_"; no ".." and no ".", "_" or "-" at the ends; names that Windows reserves get a "_" behind; at most 120 bytes;
    "field" where nothing is left.
    """
    text = unicodedata.normalize("NFC", name)
    text = "".join(char if char in "._-" or unicodedata.category(char)[0] in "LMN" else "\0" for char in text)
    text = re.sub(r"\0*_\0*|\0+", "_", text)
    text = re.sub(r"\.{2,}", ".", text).strip("._-")
    text = text.encode("utf-8")[:_LONGEST].decode("utf-8", "ignore").strip("._-")
    if text.split(".")[0].lower() in _RESERVED:
        head, dot, tail = text.partition(".")
        text = f"{head}_{dot}{tail}"
    return text or "field"
