"""Products appear whole: built in ``<id>.partial``, renamed to ``<id>`` when done, never edited after."""

import contextlib
import importlib.metadata
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import core
from core.errors import InputError
from core.workspace.experiment import LOCKS, Experiment, checked_kind
from core.workspace.files import environment_error, explain, file_errors, patiently, read_json, write_json
from core.workspace.fingerprint import plain
from core.workspace.layout import PARTIAL, checked_name
from core.workspace.locks import FileLock

_SAME = ("settings", "models", "seed")


class AlreadyPublished(InputError):
    """The product exists; ``path`` is its folder."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path}: exists already and is never rewritten. Use it, or change a setting or the id.")
        self.path = path


@dataclass(frozen=True)
class Partial:
    """A product in the making: write into ``path``. ``resumed`` says that an earlier run left work there."""

    kind: str
    id: str
    path: Path
    final: Path
    resumed: bool


def set_aside(folder: Path, hidden: str) -> Path:
    """Move a folder into the folder ``hidden`` beside it, under its name and the time; nothing is deleted. Returns where it is now."""
    name = folder.name.removesuffix(PARTIAL)
    place = folder.parent / hidden / f"{name} {datetime.now():%Y-%m-%d %H.%M.%S.%f}"
    with file_errors(folder, "move"):
        place.parent.mkdir(exist_ok=True)
        patiently(lambda: folder.rename(place))
    return place


def versions() -> dict[str, str]:
    """Versions of what a result depends on, without importing it; "" where not installed."""
    found = {"senescope": core.__version__, "python": platform.python_version()}
    for package in ("torch", "cellpose", "numpy"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = ""
    return found


def record(
    kind: str,
    id: str,
    settings: Mapping[str, Any] | Any,
    *,
    command: str | Sequence[str] | None = None,
    upstream: Mapping[str, str] | None = None,
    models: Any = None,
    seed: int | None = None,
    inputs: Any = None,
) -> dict[str, Any]:
    """The content of ``settings.json``; ``command`` defaults to this process's command line, ``seed`` to that of the settings."""
    words = plain(settings)
    return {
        "id": id,
        "kind": kind,
        "created": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
        "command": sys.argv if command is None else command,
        "settings": words,
        "upstream": plain(upstream or {}),
        "models": plain(models or {}),
        "versions": versions(),
        "seed": words.get("seed") if seed is None else seed,
        "inputs": plain(inputs if inputs is not None else {}),
    }


@contextlib.contextmanager
def publish(
    experiment: Experiment,
    kind: str,
    product_id: str,
    settings: Mapping[str, Any] | Any,
    *,
    command: str | Sequence[str] | None = None,
    upstream: Mapping[str, str] | None = None,
    models: Any = None,
    seed: int | None = None,
    inputs: Any = None,
) -> Iterator[Partial]:
    """Build a product inside the block; it is published when the block ends without an error.

    On an error, a cancel or a kill ``<id>.partial`` stays, and the next run with the same id continues in it.

    Raises
    ------
    AlreadyPublished
        The product exists.
    InputError
        Another process builds it now; the partial was made with other settings; the disk is full or not writable.
    """
    final = experiment.path / checked_kind(kind) / checked_name(product_id, "id")
    partial = final.with_name(final.name + PARTIAL)
    about = record(kind, product_id, settings, command=command, upstream=upstream, models=models, seed=seed, inputs=inputs)
    with _building(experiment, kind, final):
        resumed = _start(partial, about)
        try:
            yield Partial(kind, product_id, partial, final, resumed)
        except OSError as error:
            if environment_error(error):
                raise explain(error, partial, "write") from error
            raise
        with file_errors(final, "publish"):
            patiently(lambda: partial.rename(final))


@contextlib.contextmanager
def _building(experiment: Experiment, kind: str, final: Path) -> Iterator[None]:
    lock = FileLock(experiment.path / LOCKS / f"{kind}-{final.name}.lock")
    if not lock.acquire():
        pid = lock.holder().get("pid", "unknown")
        raise InputError(f"{final}: another process (number {pid}) is building this product now. Wait for it, or cancel it.")
    try:
        if final.exists():
            raise AlreadyPublished(final)
        yield
    finally:
        lock.release()


def _start(partial: Path, about: dict[str, Any]) -> bool:
    """Make the folder and its ``settings.json``, or check that what lies there is of the same making."""
    path = partial / "settings.json"
    resumed = path.is_file()
    if resumed:
        before = read_json(path)
        differing = [key for key in _SAME if before.get(key) != about[key]]
        if differing:
            raise InputError(f"{partial}: holds unfinished work with other {' and '.join(differing)}. Use another id, or delete that folder.")
    with file_errors(partial, "write"):
        partial.mkdir(parents=True, exist_ok=True)
    write_json(path, about)
    return resumed
