"""From lists of files to the table of fields: ids, metadata from names, phase, stain and colour files of the same field."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import pandas as pd

from core.images.picture import Plane
from core.naming import DEFAULT_PATTERN, folders_of, kind_of_name, parse_name, safe_id, split_reference, stem_of, without_kind
from core.tables import FIELDS, typed

_OWN_WORDS = {"phase": ("phase",), "stain": ("stain",), "colour": ("colour", "stain")}
_GENERIC_FOLDER = re.compile(r"images?|imgs?|raw|data|tiffs?|pictures?|files?|export(?:ed)?|uploads?", re.IGNORECASE)
DEFAULT_SAMPLE = "sample"


@dataclass(frozen=True)
class Pairing:
    """``table`` (``tables.FIELDS``), stain and colour files that belong to no phase image, remarks for the user."""

    table: pd.DataFrame
    unpaired: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def table_of(
    phase: Sequence[str],
    stain: Sequence[str] = (),
    colour: Sequence[str] = (),
    pattern: str = DEFAULT_PATTERN,
    existing: pd.DataFrame | None = None,
) -> Pairing:
    """The table of fields of these files.

    Parameters
    ----------
    phase, stain, colour : image references; a file in more than one list counts for the kind that its name says
    pattern : see ``parse_name``
    existing : table of fields already there; its rows stay as they are and come first, but take a stain or colour
        image where they have none. A phase image already in it is not added again.

    Returns
    -------
    Pairing : one row a phase image.
        ``fov_id`` is the file name without the word for its kind, where that is unique, else the whole name, else with
        a number behind. Uniqueness ignores case, as Windows and macOS do.
        ``sample`` is what the pattern finds. Where it finds none: the folder, if the files come from several; else the
        file name before its last number ("set01" is of sample "set"); else the folder; else "sample". One sample with
        several passages or conditions is several cultures: these are put behind its name ("MSC1 P4", "MSC1 P9").
        Stain and colour files are paired by name without kind words, ignoring case, kind of separator and, at last,
        folders and leading zeros. Where two files fit one field, or two fields one file, none of them is paired.

    Raises
    ------
    InputError
        The pattern is not valid.
    """
    notes: list[str] = []
    lists = _sorted_out({"phase": phase, "stain": stain, "colour": colour}, notes)
    before = typed(existing if existing is not None else pd.DataFrame(columns=list(FIELDS)), FIELDS, "fields")
    there = set(before["phase"])
    new = [ref for ref in lists["phase"] if ref not in there]
    rows = pd.DataFrame([_row(ref, pattern) for ref in new], columns=list(FIELDS))
    rows["fov_id"] = _ids(new, before["fov_id"], notes)
    rows["sample"] = _samples(new, rows, before, notes)
    table = typed(pd.concat([before, typed(rows, FIELDS)], ignore_index=True), FIELDS)
    unpaired: list[str] = []
    for kind in ("stain", "colour"):
        unpaired += _pair(table, kind, lists[kind], notes)
    return Pairing(table, unpaired, notes)


def _sorted_out(lists: dict[str, Sequence[str]], notes: list[str]) -> dict[str, list[str]]:
    """Each reference once, in one list."""
    kinds: dict[str, list[str]] = {}
    for kind, refs in lists.items():
        for ref in refs:
            kinds.setdefault(ref, []).append(kind)
    out: dict[str, list[str]] = {kind: [] for kind in lists}
    for ref, given in kinds.items():
        said = kind_of_name(ref)
        out[said if said in given else given[0]].append(ref)
        if len(set(given)) < len(given):
            notes.append(f"{ref} is listed more than once; it is taken once.")
    return out


def _row(ref: str, pattern: str) -> dict[str, object]:
    found = parse_name(ref, pattern)
    return {
        "fov_id": "",
        "phase": ref,
        "sample": found.get("sample", ""),
        "role": found.get("role", "sample"),
        "passage": found.get("passage", ""),
        "condition": found.get("condition", ""),
        "well": found.get("well", ""),
        "time_h": found.get("time_h"),
    }


def _ids(refs: Sequence[str], taken: Iterable[str], notes: list[str]) -> list[str]:
    used = {name.casefold() for name in taken}
    short = [_id(ref, without_kind(stem_of(ref), ("phase",)), whole_plane=False) for ref in refs]
    counts = pd.Series([name.casefold() for name in short], dtype="str").value_counts()
    out = []
    for ref, name in zip(refs, short, strict=True):
        if counts[name.casefold()] > 1 or name.casefold() in used:
            name = _id(ref, stem_of(ref), whole_plane=True)
        free = _free(name, used)
        if free != name:
            notes.append(f"{ref}: a field named {name} is there already; this one is named {free}.")
        used.add(free.casefold())
        out.append(free)
    return out


def _id(ref: str, stem: str, whole_plane: bool) -> str:
    plane = split_reference(ref)[1]
    if not whole_plane:
        plane = Plane(z=plane.z, time=plane.time, position=plane.position)
    marks = str(plane).replace("=", "").replace(",", "_")
    return safe_id("_".join(part for part in (stem or stem_of(ref), marks) if part))


def _free(name: str, used: set[str]) -> str:
    number, free = 2, name
    while free.casefold() in used:
        free, number = f"{name}_{number}", number + 1
    return free


def _samples(refs: Sequence[str], rows: pd.DataFrame, before: pd.DataFrame, notes: list[str]) -> list[str]:
    folders = [_folder(ref) for ref in refs]
    several = len(set(folders)) > 1
    found = [str(s) or _default_sample(ref, f, several) for s, ref, f in zip(rows["sample"], refs, folders, strict=True)]
    cultures = list(zip(rows["passage"], rows["condition"], strict=True))
    seen: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for name, passage, condition in zip(before["sample"], before["passage"], before["condition"], strict=True):
        seen[name].add((passage, condition))
    old = {name: set(kinds) for name, kinds in seen.items()}
    for name, culture in zip(found, cultures, strict=True):
        seen[name].add(culture)
    out = []
    for name, culture in zip(found, cultures, strict=True):
        alone = len(seen[name]) == 1 or old.get(name) == {culture}
        out.append(name if alone else _culture(name, culture, seen[name]))
    for name in dict.fromkeys(n for n, o in zip(found, out, strict=True) if n != o):
        notes.append(f"Sample {name} has several passages or conditions; they are told apart as cultures of their own.")
    return out


def _culture(name: str, culture: tuple[str, str], others: set[tuple[str, str]]) -> str:
    """``name`` with passage and condition behind, as far as they differ."""
    passage, condition = culture
    parts = [name]
    if len({p for p, _ in others}) > 1 and passage:
        parts.append(f"P{passage}" if passage[0].isdigit() else passage)
    if len({c for _, c in others}) > 1 and condition:
        parts.append(condition)
    return " ".join(parts)


def _folder(ref: str) -> str:
    """The innermost folder that is no "images" or "phase"."""
    parts = [without_kind(part) for part in folders_of(ref)]
    return next((part for part in reversed(parts) if part and not _GENERIC_FOLDER.fullmatch(part)), "")


def _default_sample(ref: str, folder: str, several: bool) -> str:
    stem = without_kind(stem_of(ref))
    before_number = re.sub(r"[\W_]*\d+\W*$", "", stem).strip(" _.-")
    has_letters = any(char.isalpha() for char in before_number)
    return (folder if several else "") or (before_number if has_letters else "") or folder or DEFAULT_SAMPLE


def _pair(table: pd.DataFrame, kind: str, refs: Sequence[str], notes: list[str]) -> list[str]:
    """Fill the column ``kind`` of ``table`` in place; returns the references that found no field."""
    there = set(table[kind])
    refs = [ref for ref in refs if ref not in there]
    phase = [(row, ref) for row, ref, taken in zip(table.index, table["phase"], table[kind], strict=True) if not taken]
    left = [(-1, ref) for ref in refs]
    for key in _keys(kind):
        rows, files = _grouped(phase, "phase", key), _grouped(left, kind, key)
        for name in (name for name in rows if name in files):
            if len(rows[name]) == len(files[name]) == 1:
                table.at[rows[name][0][0], kind] = files[name][0][1]
            else:
                ids = ", ".join(str(table.at[row, "fov_id"]) for row, _ in rows[name])
                several = ", ".join(ref for _, ref in files[name])
                notes.append(f"Not paired, because it is not clear which belongs to which: {several} and field {ids}.")
        phase = [item for name, items in rows.items() if name not in files for item in items]
        left = [item for name, items in files.items() if name not in rows for item in items]
    paired = set(table[kind])
    return [ref for ref in refs if ref not in paired]


_Key = Callable[[str, str], object]
_Item = tuple[int, str]  # row of the table, reference


def _grouped(items: Iterable[_Item], role: str, key: _Key) -> dict[object, list[_Item]]:
    groups: dict[object, list[_Item]] = defaultdict(list)
    for row, ref in items:
        groups[key(role, ref)].append((row, ref))
    return groups


def _keys(kind: str) -> list[_Key]:
    """From strict to loose: what must be equal for two files to be of the same field."""

    def names(role: str, ref: str, last_only: bool) -> str:
        return without_kind(stem_of(ref), _OWN_WORDS[role], last_only)

    def loose(ref: str) -> tuple[str, ...]:
        return tuple(re.sub(r"(?<!\d)0+(?=\d)", "", word) for word in _words(without_kind(stem_of(ref))))

    return [
        lambda role, ref: (_place(ref), _words(names(role, ref, True))),
        lambda role, ref: (_place(ref), _words(names(role, ref, False))),
        lambda role, ref: (_place(ref), _words(without_kind(stem_of(ref)))),
        lambda role, ref: (_moment(ref), _words(without_kind(stem_of(ref)))),
        lambda role, ref: (_moment(ref), loose(ref)),
    ]


def _place(ref: str) -> tuple:
    plane = split_reference(ref)[1]
    return (*(_words(without_kind(part)) for part in folders_of(ref)), plane.z, *_moment(ref))


def _moment(ref: str) -> tuple:
    plane = split_reference(ref)[1]
    return plane.time, plane.position


def _words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[^\W_]+", text.casefold()))
