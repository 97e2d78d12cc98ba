"""Where things lie on disk, and which names may become files."""

import os
import re
import unicodedata
from pathlib import Path, PurePosixPath, PureWindowsPath

from core.errors import InputError
from core.workspace.files import file_errors

REPOSITORY = Path(__file__).resolve().parents[2]
KINDS = (
    *("segmentations", "registrations", "stains", "annotations", "datasets", "runs", "tunings"),
    *("evaluations", "comparisons", "assessments", "reports", "exports"),
)
PARTIAL = ".partial"
_OURS = {"models", "logs", "laboratory"}  # folders of the workspace that are not experiments
_DEVICES = {"con", "prn", "aux", "nul", "conin$", "conout$", *(f"{d}{n}" for d in ("com", "lpt") for n in "0123456789¹²³")}
_LONGEST = 200  # bytes of UTF-8; file systems stop at 255, and "_2", ".partial" and the like still come


def workspace_root() -> Path:
    """The workspace folder: ``SENESCOPE_WORKSPACE``, or ``workspace`` beside the app; made when missing."""
    named = os.environ.get("SENESCOPE_WORKSPACE", "").strip()
    root = Path(named).expanduser().absolute() if named else REPOSITORY / "workspace"
    with file_errors(root, "use as the workspace folder (SENESCOPE_WORKSPACE)"):
        root.mkdir(parents=True, exist_ok=True)
    return root


def allowed_roots() -> list[Path]:
    """Folders on the server that a user of the pages may name: ``SENESCOPE_ROOTS``, separated as in PATH; none by default."""
    named = os.environ.get("SENESCOPE_ROOTS", "").split(os.pathsep)
    return [Path(part.strip()).expanduser().resolve() for part in named if part.strip()]


def allowed_path(text: str) -> Path:
    """The file or folder a user of the pages named, with links followed. InputError outside the allowed roots."""
    roots, path = allowed_roots(), Path(text.strip()).expanduser().resolve()
    if not any(path.is_relative_to(root) for root in roots):
        where = ", ".join(map(str, roots)) or "none is configured (environment variable SENESCOPE_ROOTS)"
        raise InputError(f"{text}: wanted a place under one of the allowed folders: {where}.")
    if not path.exists():
        raise InputError(f"{text}: no such file or folder.")
    return path


def checked_name(name: str, what: str = "name") -> str:
    """Return ``name`` if it can be one file name on Linux, Windows and macOS alike; InputError says why not."""
    reason = _unusable(name)
    if reason:
        raise InputError(f"{what} {name!r}: wanted a plain name, but it {reason}. Choose another name.")
    return name


def _unusable(name: str) -> str:
    if not name.strip():
        return "is empty"
    if "/" in name or "\\" in name or name.strip() in (".", ".."):
        return "contains a path"
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in name):
        return "contains control characters"
    if found := re.search(r'[<>:"|?*]', name):
        return f"contains {found.group()}"
    if name.startswith(".") or name.endswith((".", " ")) or name.startswith(" "):
        return "starts with a dot or space, or ends with one"
    if name.split(".")[0].strip().lower() in _DEVICES:
        return "is the name of a device on Windows"
    if name.lower().endswith(PARTIAL):
        return f"ends with {PARTIAL}"
    return "is too long" if len(name.encode()) > _LONGEST else ""


def experiment_path(name_or_path: str) -> Path:
    """The folder of an experiment.

    A bare name is ``workspace/name``, or ``./name`` if that folder already holds a ``fields.csv``; anything with a
    separator, or absolute, is that path.
    """
    text = str(name_or_path).strip()
    if text and not _is_bare(text):
        return Path(text).expanduser().absolute()
    try:
        if text and (Path(text) / "fields.csv").is_file():
            return Path(text).resolve()
    except (OSError, ValueError):  # too long a name, or one that no file can have
        pass
    return named_experiment(text)


def named_experiment(name: str) -> Path:
    """The folder of that name in the workspace, and nowhere else. InputError for what is not one usable name."""
    if name.lower() in _OURS:
        raise InputError(f"experiment name {name!r}: the workspace keeps its own files under this name. Choose another name.")
    return workspace_root() / checked_name(name, "experiment name")


def _is_bare(text: str) -> bool:
    if text.startswith("~") or PurePosixPath(text).is_absolute() or PureWindowsPath(text).drive:
        return False
    return "/" not in text and not (os.name == "nt" and "\\" in text)
