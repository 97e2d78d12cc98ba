"""What the stages share: reading one field, going through many without losing the rest, saying what failed."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from core.errors import InputError
from core.fields import FieldOfView, fields
from core.images import Picture, read
from core.progress import Progress
from core.tables import FAILURES, typed
from core.workspace import Experiment


@dataclass
class Failures:
    """What was left out, and why; becomes ``failures.csv``."""

    rows: list[dict[str, str]] = field(default_factory=list)

    def add(self, fov_id: str, file: object, error: object) -> None:
        self.rows.append({"fov_id": fov_id, "file": str(file), "error": str(error)})

    def table(self) -> pd.DataFrame:
        return typed(pd.DataFrame(self.rows, columns=list(FAILURES)), FAILURES)

    @contextmanager
    def collecting(self, fov_id: str, file: object) -> Iterator[None]:
        """A field that cannot be used is listed; the others go on. Defects of ours are not caught."""
        try:
            yield
        except InputError as error:
            self.add(fov_id, file, error)
        except MemoryError:
            self.add(fov_id, file, "not enough memory for this field; close other programs or use smaller images")


def read_phase(experiment: Experiment, fov: FieldOfView) -> Picture:
    """The phase image of a field, as its file gives it."""
    return read(*experiment.resolve(fov.phase))


def chosen_fields(experiment: Experiment, wanted: Sequence[str] | None) -> list[FieldOfView]:
    """The fields to work on: all, or those named in ``wanted``, in the order of fields.csv.

    Raises
    ------
    InputError
        There are none, or a name does not exist.
    """
    every = fields(experiment.fields())
    if not every:
        raise InputError(f"{experiment.path}: the experiment has no fields yet; add phase-contrast images first.")
    if wanted is None:
        return every
    missing = sorted(set(wanted) - {f.fov_id for f in every})
    if missing:
        raise InputError(f"{experiment.path}: no field named {', '.join(missing)}; fields.csv has {', '.join(f.fov_id for f in every[:10])}.")
    return [f for f in every if f.fov_id in set(wanted)]


def inputs(experiment: Experiment, some: Iterable[FieldOfView]) -> list[dict[str, object]]:
    """What a product depends on: per field its image file, size and time of change (raw images are never rewritten)."""
    rows: list[dict[str, object]] = []
    for fov in some:
        path = experiment.resolve(fov.phase)[0]
        seen = path.stat() if path.is_file() else None
        rows.append(
            {
                "fov_id": fov.fov_id,
                "phase": fov.phase,
                "bytes": seen.st_size if seen else None,
                "changed": seen.st_mtime_ns if seen else None,
                "pixel_size_um": fov.pixel_size_um,
            }
        )
    return rows


def part(progress: Progress, done: float, share: float, total: float, about: str = "") -> Progress:
    """Let inner work report within ``share`` units of an outer ``total``, after ``done`` units; ``about`` goes before its words."""

    def inner(inside: float, of: float, item: str) -> None:
        progress(done + share * (inside / of if of else 0.0), total, f"{about}: {item}" if about and item else about or item)

    return inner


def fail_if_all(failures: Failures, n_fields: int, what: str, where: Path) -> None:
    """Nothing usable is an error, not an empty product. A row without a field is a file that belongs to none, so it does not count."""
    if n_fields and len({r["fov_id"] for r in failures.rows} - {""}) >= n_fields:
        lines = "; ".join(f"{r['file']}: {r['error']}" for r in failures.rows[:5])
        raise InputError(f"{where}: none of the {n_fields} fields could be {what}. {lines}")
