"""Fields whose phase images are the same file under different names: their cells would be counted more than once."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from functools import lru_cache
from pathlib import Path

from core.errors import InputError
from core.fields import split_reference
from core.workspace import Experiment

_PIECE = 64 * 1024
_CHUNK = 8 * 1024 * 1024
_SHOWN = 5


def same_images(experiment: Experiment, references: Iterable[str]) -> list[list[str]]:
    """Groups of image files with the same bytes, each in the order of ``references``; files that cannot be read are in none.

    Pictures of one microscope are often of the same size to the byte, so a piece out of the middle is compared before whole files are read.
    """
    groups = [list(dict.fromkeys(split_reference(reference)[0] for reference in references if reference))]
    for told_apart_by in (_size, _middle, _whole):
        groups = [finer for group in groups for finer in _split(experiment, group, told_apart_by)]
    return groups


def same_image_words(experiment: Experiment, references: Iterable[str]) -> str:
    """What to say of them; "" where every image is there once."""
    groups = same_images(experiment, references)
    said = [f"{_listed([Path(name).name for name in group])} hold the same image." for group in groups[:_SHOWN]]
    if len(groups) > _SHOWN:
        said.append(f"So do {len(groups) - _SHOWN} more.")
    if said:
        said.append("Its cells are counted in each of these fields. If it is a copy, delete the row of one of them in the table of fields.")
    return " ".join(said)


def _listed(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _split(experiment: Experiment, names: list[str], told_apart_by: Callable[[Path, int, int], Hashable]) -> list[list[str]]:
    """The groups of two or more that are alike."""
    alike: dict[Hashable, list[str]] = defaultdict(list)
    for name in names:
        try:
            path = experiment.resolve(name)[0]
            stat = path.stat()
            alike[told_apart_by(path, stat.st_size, stat.st_mtime_ns)].append(name)
        except (InputError, OSError):
            continue
    return [group for group in alike.values() if len(group) > 1]


def _size(path: Path, size: int, changed: int) -> int:
    return size


@lru_cache(maxsize=8192)
def _middle(path: Path, size: int, changed: int) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, size - _PIECE) // 2)
        return hashlib.sha256(file.read(_PIECE)).digest()


@lru_cache(maxsize=8192)
def _whole(path: Path, size: int, changed: int) -> bytes:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.digest()
