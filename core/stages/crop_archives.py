"""Crops in a ZIP: what is in it, and how it becomes a dataset as a folder of crops does."""

import contextlib
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from core.dataset.folders import CLASS_FOLDERS, POSITIVE, placed
from core.dataset.split import NAMES, SPLITS
from core.errors import InputError
from core.images import IMAGE_SUFFIXES
from core.models.model import sha256_of
from core.options import settings_from
from core.progress import Progress, silent
from core.settings import DatasetSettings
from core.stages.crop_folders import MANIFEST_FILE, Brought, import_folder, places, take_over
from core.stages.unpacking import entries, opened, unpack
from core.workspace import Experiment, file_errors, hold
from core.workspace.experiment import LOCKS

UPLOADS: Final = "uploads"  # folder of an experiment: ZIPs that wait to be taken over
_UNPACKED: Final = ".unpacked"


@dataclass(frozen=True)
class Contents:
    """What a ZIP of crops holds: number of pictures, sets, class folders, and which of these is the senescent one ("" where unclear)."""

    pictures: int
    sets: tuple[str, ...]
    classes: tuple[str, ...]
    positive: str


def run(params: dict[str, Any], progress: Progress) -> Path:
    """``params``: ``folder`` (a folder or a ZIP), ``out``, ``settings``, ``only``, ``positive``.

    A ZIP that was uploaded for this is removed when its dataset is there; until then it stays, so that the job can be tried again.
    """
    settings = settings_from(DatasetSettings, params.get("settings") or {})
    source, out = Path(params["folder"]), Path(params["out"])
    made = import_crops(source, out, settings, params.get("only", ""), params.get("positive", ""), progress)
    if source.parent == out / UPLOADS:
        remove(source)
    return made


def import_crops(source: Path, out: Path, settings: DatasetSettings, only: str = "", positive: str = "", progress: Progress = silent) -> Path:
    """As ``import_folder``; ``source`` may also be a ZIP of such a folder, with or without that folder itself in it.

    The same ZIP gives the same dataset, whenever and under whatever time it was copied: its SHA-256 stands for it.
    """
    if source.is_dir() or not (source.is_file() or source.suffix.lower() == ".zip"):
        return import_folder(source, out, settings, only, positive, progress)
    with opened(source) as archive:  # what is wrong is said before anything is written
        places([name for name in _files(archive, source)[0] if name != MANIFEST_FILE], source.name, only, positive)
    new = not out.exists()
    try:
        with _unpacked(source, out, progress) as brought:
            return take_over(brought, out, settings, only, positive, progress)
    finally:
        if new:
            _leave_nothing(out)


def waiting(experiment: Experiment) -> list[Path]:
    """Uploaded ZIPs that were not taken over yet, the newest first."""
    folder = experiment.path / UPLOADS
    with file_errors(folder, "list"):
        found = [p for p in folder.iterdir() if p.is_file() and not p.name.startswith(".")] if folder.is_dir() else []
        return sorted(found, key=lambda p: (-p.stat().st_mtime_ns, p.name))


def remove(archive: Path) -> None:
    """Remove an uploaded ZIP; the folder too where it was the last."""
    with file_errors(archive, "remove"):
        archive.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        archive.parent.rmdir()


def look_into(path: Path) -> Contents:
    """What the ZIP holds, from its list of contents; InputError for one that cannot become a dataset."""
    with opened(path) as archive:
        files, _ = _files(archive, path)
    where = [one for name in files if (one := placed(name)) is not None and name != MANIFEST_FILE]
    classes = tuple(sorted({one.folder for one in where}))
    known = [name for name in classes if name.lower() in POSITIVE]
    sets = tuple(s for s in SPLITS if s in {one.split for one in where})
    return Contents(len(where), sets, classes, known[0] if len(known) == 1 else "")


def _files(archive: zipfile.ZipFile, path: Path) -> tuple[dict[str, zipfile.ZipInfo], str]:
    """Pictures and manifest by their path below the folder that was packed, and the name of that folder."""
    found = entries(archive, lambda name: name.lower().endswith(tuple(IMAGE_SUFFIXES)) or PurePosixPath(name).name == MANIFEST_FILE)
    around = _around([name for name in found if PurePosixPath(name).name != MANIFEST_FILE])
    start = "".join(f"{part}/" for part in around)
    files = {name.removeprefix(start): info for name, info in found.items() if name.startswith(start)}
    if not any(placed(name) for name in files if PurePosixPath(name).name != MANIFEST_FILE):
        others = [info.filename for info in archive.infolist() if not info.is_dir()]
        holds = f"it holds {', '.join(others[:3])}{' and others' if len(others) > 3 else ''}" if others else "it is empty"
        raise InputError(
            f"{path.name}: wanted pictures of single cells, one folder a class (such as train/senescent/1.png), found none; {holds}. "
            "Put the pictures into one folder a class and pack these folders."
        )
    return files, around[-1] if around else path.stem


def _around(pictures: Sequence[str]) -> tuple[str, ...]:
    """The folders around everything ("crops", of crops/train/senescent/1.png), which say nothing of set and class."""
    inside = [parts for name in pictures if len(parts := PurePosixPath(name).parts) > 1]  # pictures in no folder belong to no class
    around: list[str] = []
    while inside and len({parts[0] for parts in inside}) == 1 and all(len(parts) > 2 for parts in inside):
        first = inside[0][0]
        if first.lower() in NAMES or first.lower() in (*POSITIVE, *CLASS_FOLDERS):
            break
        around.append(first)
        inside = [parts[1:] for parts in inside]
    return tuple(around)


@contextmanager
def _unpacked(path: Path, out: Path, progress: Progress) -> Iterator[Brought]:
    """The pictures as files, in a hidden folder of ``out`` for as long as the block lasts.

    They are unpacked anew each time: what a killed import left behind may be cut short anywhere.
    """
    folder = out / _UNPACKED
    with hold(out / LOCKS / "unpacking.lock") as held:
        if not held:
            raise InputError(f"{out}: another process is unpacking crops for this experiment now. Wait for it, or cancel it.")
        try:
            shutil.rmtree(folder, ignore_errors=True)
            with opened(path) as archive:
                files, name = _files(archive, path)
                unpack(archive, files, folder, progress)
            uploaded = path.parent == out / UPLOADS
            yield Brought(folder, name, path.name, Path(path.name) if uploaded else path, sha256_of(path))
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _leave_nothing(out: Path) -> None:
    """A ZIP that failed leaves no empty folder where no experiment was."""
    if not Experiment(out).exists:
        for folder in (out / LOCKS, out):
            with contextlib.suppress(OSError):
                folder.rmdir()
