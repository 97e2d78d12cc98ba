"""Everything of a finished product in one ZIP file."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Literal

from core.errors import InputError

_PACKED = {".jpg", ".jpeg", ".png", ".gz", ".zip"}  # already compressed: stored as they are


def zip_product(*folders: Path, extra: Mapping[str, bytes] | None = None) -> io.BytesIO:
    """The files of ``folders``, and ``extra`` files by name, as a ZIP in memory, ready to read; for a download button."""
    stream = io.BytesIO()
    for folder in folders:
        write_zip(folder, stream, "w" if folder is folders[0] else "a")
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (extra or {}).items():
            archive.writestr(name, content)
    stream.seek(0)
    return stream


def write_zip(folder: Path, target: Path | IO[bytes], mode: Literal["w", "a"] = "w") -> None:
    """Write the files of ``folder`` into the ZIP ``target`` (or, with "a", beside what is in it), under a folder of the same name.

    ``target`` is a path or an open binary file; files are streamed, none is held whole in memory.

    Raises
    ------
    InputError
        ``folder`` is not a folder or holds no file.
    """
    folder = Path(folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    if not files:
        raise InputError(f"{folder}: wanted the folder of a finished product, found no files there.")
    with zipfile.ZipFile(target, mode, strict_timestamps=False) as archive:
        for path in files:
            how = zipfile.ZIP_STORED if path.suffix.lower() in _PACKED else zipfile.ZIP_DEFLATED
            archive.write(path, f"{folder.name}/{path.relative_to(folder).as_posix()}", compress_type=how)
