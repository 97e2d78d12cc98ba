"""Registrations as they stand: what was computed, and what a person decided on top of it.

Decisions are rows that are only ever added, in ``EXP/decisions/registration.csv``; each carries the matrix it is about, so
that it means the same after the pairs are registered again. The last decision on a pair counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.errors import InputError
from core.fields import fields
from core.images import grey, preview, read
from core.registration import PARAMETERS, Consensus, Registration, consensus, flattened, from_row, grey_for_registration
from core.report import read_csv
from core.report.csv_files import csv_bytes
from core.tables import REGISTRATION_DECISIONS, REGISTRATIONS, typed
from core.workspace import Experiment, Product, file_errors, hold

DECIDED = ("accepted", "nudged", "consensus", "excluded", "undo")
SIZED = {**REGISTRATIONS, "sample": "str", "height": "Int64", "width": "Int64"}  # of own.csv: what a consensus needs to know besides
BY_HAND_PX = 1.0  # how far a registration may be off that a person laid or took over by eye


def decisions_file(experiment: Experiment) -> Path:
    return experiment.path / "decisions" / "registration.csv"


def decide(experiment: Experiment, fov_id: str, image: str, registration: Registration, decision: str, rater: str) -> None:
    """Add one decision; "undo" takes back what was decided on this pair before.

    Raises
    ------
    InputError
        An unknown decision, no name of the rater, or the file cannot be written.
    """
    if decision not in DECIDED:
        raise InputError(f"Alignment: wanted a decision of {', '.join(DECIDED)}, found {decision!r}.")
    if not rater.strip():
        raise InputError("Alignment: wanted the name of who decides, found none.")
    numbers = dict(zip(PARAMETERS, map(float, registration.matrix.ravel()), strict=True))
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    row: dict[str, Any] = {
        "fov_id": fov_id,
        "image": image,
        "decision": decision,
        "rater": rater.strip(),
        "time": now,
        "method": registration.method,
        **numbers,
    }
    _append(decisions_file(experiment), csv_bytes(typed(pd.DataFrame([row]), REGISTRATION_DECISIONS)), experiment)


def _append(path: Path, content: bytes, experiment: Experiment) -> None:
    header, line = content.split(b"\n", 1)
    with hold(experiment.path / ".locks" / "decisions-registration.lock", 20.0) as mine, file_errors(path, "save the decision"):
        if not mine:
            raise InputError(f"{path}: another program is saving decisions for a long time. Try again.")
        path.parent.mkdir(parents=True, exist_ok=True)
        before = path.read_bytes() if path.is_file() else b""
        gap = b"" if not before or before.endswith(b"\n") else b"\n"
        with path.open("ab") as file:
            file.write((b"" if before else header + b"\n") + gap + line)


def decisions(experiment: Experiment) -> pd.DataFrame:
    """All decisions, oldest first (``tables.REGISTRATION_DECISIONS``)."""
    path = decisions_file(experiment)
    return read_csv(path, REGISTRATION_DECISIONS) if path.is_file() else typed(pd.DataFrame(), REGISTRATION_DECISIONS)


def current_registrations(experiment: Experiment, product: Product) -> pd.DataFrame:
    """The registrations of a product with the decisions of people applied: ``tables.REGISTRATIONS`` and ``decision``, ``rater``.

    "accepted", "nudged" and "consensus" make the verdict "pass" with the matrix that was looked at; where that is not the
    pair's own one, 1 px is assumed to be left. "excluded" makes it "fail". Decisions on pairs that the product does not
    hold are left aside.
    """
    table = read_csv(product.path / "registration.csv", REGISTRATIONS)
    last = decisions(experiment).groupby(["fov_id", "image"], sort=False).tail(1).set_index(["fov_id", "image"]).to_dict("index")
    rows = [_applied(row, last.get((row["fov_id"], row["image"]))) for row in table.to_dict("records")]
    return typed(pd.DataFrame(rows, columns=[*REGISTRATIONS, "decision", "rater"]), {**REGISTRATIONS, "decision": "str", "rater": "str"})


def _applied(row: dict[str, Any], decided: dict[str, Any] | None) -> dict[str, Any]:
    if decided is None or decided["decision"] == "undo":
        return row | {"decision": "", "rater": ""}
    decision, rater = decided["decision"], decided["rater"]
    marked = row | {"decision": decision, "rater": rater}
    if decision == "excluded":
        return marked | {"verdict": "fail", "reason": f"Excluded by {rater}."}
    same = all(abs(float(row[name]) - float(decided[name])) < 1e-6 for name in PARAMETERS)
    matrix = {name: decided[name] for name in PARAMETERS} | {"method": decided["method"]}
    source = {"nudged": "manual", "consensus": "consensus"}.get(decision, row["source"] if same and row["source"] != "none" else "manual")
    left = row["residual_px"] if same and row["source"] == "own" and not pd.isna(row["residual_px"]) else BY_HAND_PX
    words = {"accepted": f"Accepted by {rater}.", "nudged": f"Moved by hand by {rater}.", "consensus": f"Consensus of the session, chosen by {rater}."}
    return marked | matrix | {"source": source, "residual_px": left, "verdict": "pass", "reason": words[decision]}


@dataclass(frozen=True)
class PairPictures:
    """8-bit pictures of a pair, not aligned: as they are, and with the light evened out (``core.registration.flattened``)."""

    phase: np.ndarray  # (Y, X)
    stain: np.ndarray  # (Y, X) or (Y, X, 3)
    flat_phase: np.ndarray
    flat_stain: np.ndarray  # (Y, X)


def pair_pictures(experiment: Experiment, fov_id: str, image: str) -> PairPictures:
    """Read the phase image and the stain or colour image of a field for the screen."""
    fov = next((f for f in fields(experiment.fields()) if f.fov_id == fov_id), None)
    if fov is None:
        raise InputError(f"{experiment.path}: no field named {fov_id}.")
    phase, stain = grey(read(*experiment.resolve(fov.phase))), read(*experiment.resolve(getattr(fov, image))).pixels
    return PairPictures(preview(phase), preview(stain), flattened(phase), flattened(grey_for_registration(stain)))


def session_consensus(product: Product, fov_id: str, image: str) -> Consensus:
    """What the session of a pair agrees on, by what the pairs gave on their own; InputError for a pair that is not there."""
    return pooled(read_csv(product.path / "own.csv", SIZED), fov_id, image)


def pooled(table: pd.DataFrame, fov_id: str, image: str) -> Consensus:
    """The consensus of the session of a pair: of the pairs of the same culture, else of all, with the same kind and size of image.

    ``table`` is that of own.csv.
    """
    mine = table[(table["fov_id"] == fov_id) & (table["image"] == image)].iloc[0]
    like = table[(table["image"] == image) & (table["height"] == mine["height"]) & (table["width"] == mine["width"])]
    found = [_consensus_of(some, mine) for some in (like[like["sample"] == mine["sample"]], like)]
    return next((one for one in found if one.registration is not None), found[-1])


def _consensus_of(table: pd.DataFrame, mine: Mapping[str, Any]) -> Consensus:
    return consensus([from_row(row) for row in table.to_dict("records")], (int(mine["height"]), int(mine["width"])))
