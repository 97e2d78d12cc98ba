"""The report of an assessment: one HTML file that opens anywhere, offline, and prints well."""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from natsort import natsort_keygen, ns

from core.errors import InputError
from core.report import words
from core.report.cautions import cautions
from core.report.doubts import quality_section
from core.report.overlay import OUTLINE_NOT_SCORED, OUTLINE_NOT_SENESCENT, OUTLINE_SENESCENT, OUTLINE_UNCERTAIN, jpeg, shrunk
from core.report.sections import Sections, section_context
from core.tables import ASSESSED_CELLS, ASSESSED_FIELDS, EXCLUSIONS, FAILURES, REPORTED_SAMPLES, typed

PICTURES_BYTES = 2_400_000  # with Plotly (4.8 MB) and base64 (a third more) the file stays near 8 MB
_LONGEST_PX, _SHORTEST_PX = 1000, 400  # bounds of the longer side of a picture
_GOOD, _FAIR = 82, 60  # JPEG qualities: where there is room, and where there is not
_OPEN_FIELDS = 12  # with more fields than this, the pictures of each culture are folded away
_OF_A_MODEL = ("name", "licence", "summary", "sha256")
_LEGEND = {
    "senescent": OUTLINE_SENESCENT,
    "not senescent": OUTLINE_NOT_SENESCENT,
    "uncertain: near the threshold, called either way": OUTLINE_UNCERTAIN,
    "not scored": OUTLINE_NOT_SCORED,
}


def html_report(
    path: Path,
    settings: Mapping[str, Any],
    samples: pd.DataFrame,
    fields: pd.DataFrame,
    cells: pd.DataFrame,
    failures: pd.DataFrame,
    overlays: Mapping[str, bytes],
    notes: Sequence[str] = (),
    sections: Sections | None = None,
) -> None:
    """Write the report to ``path``.

    Parameters
    ----------
    settings : mapping
        The assessment's ``settings.json``; read are ``experiment, id, created, command, seed, settings, models``
        (by kind, each with ``name, sha256, licence, summary``, the classifier also with ``threshold``) and ``versions``. What is missing is left out.
    samples, fields, cells, failures : DataFrame
        ``tables.REPORTED_SAMPLES``, ``ASSESSED_FIELDS``, ``ASSESSED_CELLS``, ``FAILURES``.
    overlays : mapping of fov_id to bytes
        PNG or JPEG of a field with its outlines; scaled down so that the file stays near 8 MB for 40 fields.
    notes : sequence of str
        Cautions of the stage, shown at the top with those that the tables call for.
    sections : Sections, optional
        Everything beside the calls; without it the report is of the calls alone.

    Raises
    ------
    InputError
        An overlay is not a picture.
    """
    samples, fields = typed(samples, REPORTED_SAMPLES, "samples"), typed(fields, ASSESSED_FIELDS, "fields")
    cells, failures = typed(cells, ASSESSED_CELLS, "cells"), typed(failures, FAILURES, "failures")
    key = natsort_keygen(alg=ns.IGNORECASE)
    fields = fields.sort_values(["sample", "fov_id"], key=lambda column: column.map(key))
    more = section_context(sections, samples)
    context = {
        "title": str(settings.get("experiment") or settings.get("id") or "Assessment"),
        "about": {"id": settings.get("id"), "threshold": words.decision_threshold(settings)}
        | {key: settings.get(key) or {} for key in ("settings", "upstream", "versions", "engines", "report")},
        "models": _models(settings.get("models")),
        "date": _date(settings.get("created")),
        "totals": {c: words.grouped(fields[c].sum()) for c in ("n_cells", "n_scored", "n_excluded", "n_senescent")},
        "cautions": [*cautions(settings, samples, fields, cells, failures, notes), *(more["remarks"] if more else ())],
        "more": more,
        "samples": [_sample(row) for row in samples.to_dict("records")],
        "fields": fields.to_dict("records"),
        "sample_columns": _used(samples, ("role", "passage", "condition")),
        "field_columns": _used(fields, ("passage", "condition", "well", "time_h")),
        "exclusions": _exclusions(fields),
        "quality": quality_section(settings, fields),
        "failures": failures.to_dict("records"),
        "figures": list(_figures(settings, samples, fields, cells, sections)),
        "cultures": _pictures(samples, fields, overlays),
        "folded": len(overlays) > _OPEN_FIELDS,
        "legend": _LEGEND,
        "command": _command(settings.get("command")),
        "plotly": _plotly_script(),
        "words": words,
    }
    Path(path).write_text(_template("report.html").render(context), encoding="utf-8", newline="\n")


def _template(name: str) -> Any:
    """Jinja2 with escaping on: every text of the user's reaches the page as text, never as markup."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = Path(__file__).parent / "template"
    environment = Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template(name)


def _figures(
    settings: Mapping[str, Any], samples: pd.DataFrame, fields: pd.DataFrame, cells: pd.DataFrame, sections: Sections | None
) -> Iterator[dict[str, Any]]:
    """Figures that have something to show, with a caption and the JSON that Plotly draws from."""
    from core.report import figures

    threshold = words.decision_threshold(settings)
    scored = int(samples["n_scored"].sum())
    if not scored:
        return
    of = "" if scored <= figures.MAX_POINTS else f" A random {words.grouped(figures.MAX_POINTS)} of {words.grouped(scored)} cells are drawn."
    yield _figure(
        "fractions",
        True,
        figures.fractions_by_sample(samples, fields),
        "Senescent fraction of each culture as called (orange, with its 95 % interval) and of each of its fields (grey)"
        + (", with the estimate that is reported (black) and the stained fraction (violet) where they are known." if sections else "."),
    )
    if sections is not None and len(sections.tables["groups"]) > 1:
        from core.report.group_figures import groups_figure

        compared = sections.words["comparison"]
        drawn = groups_figure(sections.tables["groups"], sections.tables["group_units"], compared["unit"])
        caption = f"Mean of the {compared['unit']}s of each {compared['column']}, with the 95 % interval between them; one point a {compared['unit']}."
        yield _figure("groups", True, drawn, caption)
    yield _figure(
        "histogram",
        False,
        figures.probability_histogram(cells, threshold),
        "Senescence probability of the scored cells. Cells in the middle are the uncertain ones.",
    )
    yield _figure("area", False, figures.area_against_probability(cells, threshold), f"Cell area against senescence probability, one point a cell.{of}")
    if (fields["confluence"].notna() & fields["senescent_fraction"].notna()).sum() > 2:
        caption = "Senescent fraction of each field against its confluence. A slope means that density may drive the calls."
        yield _figure("confluence", False, figures.fraction_against_confluence(fields), caption)


def _figure(name: str, wide: bool, figure: Any, caption: str) -> dict[str, Any]:
    return {"name": name, "wide": wide, "caption": caption, "height": figure.layout.height, "json": _script_safe(figure.to_json())}


def _script_safe(text: str) -> Any:
    """JSON that cannot end the script element it stands in."""
    from markupsafe import Markup

    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


def _plotly_script() -> Any:
    """Plotly's own script, as it is; it goes into the file once."""
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    return Markup(get_plotlyjs())


def _models(models: Any) -> list[dict[str, Any]]:
    """Name, licence, summary and hash of each model; what is not known is an empty text."""
    known = models.items() if isinstance(models, Mapping) else ()
    return [{"kind": kind, **{key: model.get(key) or "" for key in _OF_A_MODEL}} for kind, model in known if isinstance(model, Mapping)]


def _used(table: pd.DataFrame, columns: Sequence[str]) -> list[str]:
    """The columns in which anything is known."""
    return [c for c in columns if (table[c].notna() & (table[c].astype(str) != "")).any()]


def _sample(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the sample table with the sentence that says it."""
    reported = row["senescent_fraction"] if pd.isna(row["reported_fraction"]) else row["reported_fraction"]
    return {**row, "shown": reported, "sentence": words.reported_sentence(row), "name": words.culture(row)}


def _exclusions(fields: pd.DataFrame) -> list[dict[str, Any]]:
    """Cells that were outlined but not scored, by reason."""
    every = int(fields["n_cells"].sum())
    counts = {reason: int(fields[f"n_{reason.replace(' ', '_')}"].sum()) for reason in EXCLUSIONS}
    return [{"reason": reason, "cells": n, "share": n / every} for reason, n in counts.items() if n]


def _pictures(samples: pd.DataFrame, fields: pd.DataFrame, overlays: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """Per culture its fields that have a picture, as data addresses small enough to go into one file."""
    most = PICTURES_BYTES // max(1, min(len(overlays), 40))
    cultures = []
    for sample in samples.to_dict("records"):
        rows = fields[(fields["sample"] == sample["sample"]) & fields["fov_id"].isin(list(overlays))].to_dict("records")
        shown = [{**row, "picture": _fitted(overlays[row["fov_id"]], most, row["fov_id"])} for row in rows]
        if shown:
            cultures.append({"sample": _sample(sample), "fields": shown})
    return cultures


def _fitted(picture: bytes, most: int, name: str) -> dict[str, Any]:
    """The picture as a JPEG of at most ``most`` bytes where that is possible, and never more than 1000 px."""
    pixels = cv2.imdecode(np.frombuffer(picture, dtype=np.uint8), cv2.IMREAD_COLOR) if picture else None
    if pixels is None:
        raise InputError(f"overlay of field {name}: wanted a PNG or JPEG picture, found {len(picture)} bytes of something else.")
    pixels = cv2.cvtColor(shrunk(pixels, _LONGEST_PX), cv2.COLOR_BGR2RGB)
    small = jpeg(pixels, quality=_GOOD)
    if len(small) > most:
        small = jpeg(pixels, quality=_FAIR)
    if len(small) > most:  # the size of a JPEG goes with its area
        side = max(pixels.shape[:2]) * (0.9 * most / len(small)) ** 0.5
        small = jpeg(pixels, max(_SHORTEST_PX, int(side)), _FAIR)
    height, width = pixels.shape[:2]
    return {"width": width, "height": height, "address": "data:image/jpeg;base64," + base64.b64encode(small).decode("ascii")}


def _date(created: Any) -> str:
    """``2026-01-31T13:05:00+00:00`` as "31 January 2026, 13:05 UTC"; anything else as it is."""
    try:
        when = datetime.fromisoformat(str(created))
    except ValueError:
        return str(created or "")
    zone = " UTC" if when.tzinfo is not None and not when.utcoffset() else ""
    months = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"]
    return f"{when.day} {months[when.month - 1]} {when.year}, {when:%H:%M}{zone}"


def _command(command: Any) -> str:
    if isinstance(command, str):
        return command
    return " ".join(json.dumps(str(part)) if " " in str(part) else str(part) for part in command or ())
