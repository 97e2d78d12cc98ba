"""One experiment on disk: its field table, its images, its products.

pandas is loaded when a table is: a worker that waits for its turn, and the start of the app, do without.
"""

import shutil
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import InputError
from core.workspace.files import CHUNK, file_errors, patiently, read_json, same_bytes, scratch_beside
from core.workspace.layout import KINDS, PARTIAL, checked_name, experiment_path, named_experiment, workspace_root
from core.workspace.locks import hold

if TYPE_CHECKING:
    import pandas as pd

    from core.fields import Plane

LOCKS = ".locks"
IMAGES = "images"


@dataclass(frozen=True)
class Product:
    """A finished folder: ``experiment/kind/id``."""

    kind: str
    id: str
    path: Path

    @property
    def settings(self) -> dict[str, Any]:
        """What ``settings.json`` holds; InputError where it is missing or damaged."""
        return read_json(self.path / "settings.json")

    @property
    def created(self) -> str:
        """Time of making, ISO 8601 in UTC; empty where the record is damaged."""
        try:
            return str(self.settings.get("created", ""))
        except InputError:
            return ""


@dataclass(frozen=True)
class Experiment:
    """An experiment folder; it may not exist yet (``exists``)."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def exists(self) -> bool:
        return self.fields_csv.is_file()

    @property
    def fields_csv(self) -> Path:
        return self.path / "fields.csv"

    @property
    def images(self) -> Path:
        return self.path / IMAGES

    def fields(self) -> "pd.DataFrame":
        """The table of fields (``tables.FIELDS``). InputError where the experiment does not exist or the file is damaged."""
        from core.workspace.fieldscsv import read_fields

        if not self.exists:
            raise InputError(f"{self.path}: no experiment here (no fields.csv). Make one by adding images to it.")
        return read_fields(self.fields_csv)

    def save_fields(self, table: "pd.DataFrame") -> None:
        """Replace ``fields.csv`` whole, or leave the old one and raise InputError."""
        from core.workspace.fieldscsv import write_fields

        write_fields(self.fields_csv, table)

    def resolve(self, reference: str) -> tuple[Path, "Plane"]:
        """File and plane of an image reference such as ``images/a.nd2#C=1``. InputError for none, or one that leaves the experiment."""
        from core.fields import split_reference

        text, plane = split_reference(reference)
        if not text.strip():
            raise InputError(f"{self.fields_csv}: wanted an image, found an empty cell.")
        path = Path(text) if Path(text).is_absolute() else self.path / Path(text.replace("\\", "/"))
        if not Path(text).is_absolute() and not path.resolve().is_relative_to(self.path.resolve()):
            raise InputError(f"{text}: wanted a file inside {self.path}, or an absolute path.")
        return path, plane

    def products(self, kind: str) -> list[Product]:
        """Finished products, newest first. Unfinished ones and folders without ``settings.json`` are not products."""
        folder = self.path / checked_kind(kind)
        with file_errors(folder, "list"):
            found = [p for p in folder.iterdir() if _is_product(p)] if folder.is_dir() else []
        return sorted((Product(kind, p.name, p) for p in found), key=lambda p: (p.created, p.id), reverse=True)

    def product(self, kind: str, id: str) -> Product:
        """One finished product; InputError names those that exist."""
        path = self.path / checked_kind(kind) / checked_name(id, "id")
        if _is_product(path):
            return Product(kind, id, path)
        known = [p.id for p in self.products(kind)]
        near = get_close_matches(id, known, 3, 0.4) or known[:5]
        raise InputError(f"{self.name}: no {kind.removesuffix('s')} {id!r}. There is: {', '.join(near) or 'none yet'}.")


def checked_kind(kind: str) -> str:
    if kind not in KINDS:
        raise InputError(f"wanted a kind of product ({', '.join(KINDS)}), found {kind!r}.")
    return kind


def _is_product(path: Path) -> bool:
    return not path.name.startswith(".") and not path.name.endswith(PARTIAL) and (path / "settings.json").is_file()


def open_experiment(name_or_path: str) -> Experiment:
    """An experiment that exists; InputError names those of the workspace."""
    experiment = Experiment(experiment_path(name_or_path))
    if not experiment.exists:
        known = ", ".join(e.name for e in list_experiments()) or "none yet"
        raise InputError(f"{name_or_path}: no experiment at {experiment.path} (no fields.csv). In the workspace: {known}.")
    return experiment


def list_experiments() -> list[Experiment]:
    """The experiments of the workspace by name; hidden, partial and foreign folders are left out."""
    root = workspace_root()
    with file_errors(root, "list"):
        folders = [p for p in root.iterdir() if not p.name.startswith(".") and not p.name.endswith(PARTIAL)]
    return sorted((e for e in map(Experiment, folders) if _visible(e)), key=lambda e: e.name.casefold())


def _visible(experiment: Experiment) -> bool:
    try:
        return experiment.exists
    except OSError:  # a folder of somebody else that we may not look into
        return False


def create_experiment(name: str | Path) -> Experiment:
    """A new, empty experiment: text is a name in the workspace (what a page's user types), a Path is that folder.

    InputError for an unusable name or one that is taken.
    """
    from core.workspace.fieldscsv import empty_fields

    experiment = Experiment(name.absolute() if isinstance(name, Path) else named_experiment(name))
    checked_name(experiment.name, "experiment name")
    with file_errors(experiment.path, "make the experiment"):
        if experiment.exists or (experiment.path.exists() and not experiment.path.is_dir()):
            raise InputError(f"{experiment.path}: exists already. Choose another name, or add to that experiment.")
        experiment.images.mkdir(parents=True, exist_ok=True)
    experiment.save_fields(empty_fields())
    return experiment


def import_file(experiment: Experiment, source: Path, name: str, folder: str = IMAGES) -> str:
    """Copy ``source`` to the images (or another folder) of the experiment in chunks and return its reference, as in ``fields.csv``.

    Nothing is overwritten: the same bytes under the same name are used again, other bytes become ``name_2``.
    """
    checked_name(name, "file name")
    with file_errors(source, "import"):
        if not source.is_file():
            raise InputError(f"{source}: no such file.")
        place = experiment.path / folder
        place.mkdir(parents=True, exist_ok=True)
        target, there = _place(place, source, name)
        if there:
            return f"{folder}/{target.name}"
        return f"{folder}/{_copied(experiment, place, source, name).name}"


def _copied(experiment: Experiment, place: Path, source: Path, name: str) -> Path:
    scratch = scratch_beside(place / name)
    try:
        with source.open("rb") as reading, scratch.open("xb") as writing:
            shutil.copyfileobj(reading, writing, CHUNK)
        with hold(experiment.path / LOCKS / f"{place.name}.lock", wait_s=60) as held:
            if not held:
                raise InputError(f"{place}: another program is adding files for a long time. Try again.")
            target, there = _place(place, scratch, name)
            if not there:
                patiently(lambda: scratch.rename(target))
            return target
    finally:
        scratch.unlink(missing_ok=True)


def _place(place: Path, source: Path, name: str) -> tuple[Path, bool]:
    """The first of name, name_2, ... that is free or already holds these bytes (then True)."""
    suffix = "".join(s for s in Path(name).suffixes[-2:] if s.lower() == ".ome") + Path(name).suffix
    stem = name.removesuffix(suffix)
    for number in range(1, 100_000):
        target = place / (name if number == 1 else f"{stem}_{number}{suffix}")
        if not target.exists():
            return target, False
        if target.is_file() and same_bytes(source, target):
            return target, True
    raise InputError(f"{place}: too many files are named like {name}.")
