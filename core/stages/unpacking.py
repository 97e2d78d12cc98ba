"""A ZIP from somebody else: looked into without unpacking it, and unpacked without trusting it."""

import contextlib
import re
import shutil
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import Final

from core.errors import InputError
from core.progress import Progress, silent
from core.workspace import file_errors

CHUNK: Final = 1 << 20
RESERVE: Final = 256 << 20  # bytes of the disk that are left free: the dataset and the log are written there too
_UTF8: Final = 0x800  # flag: the name is UTF-8
_ENCRYPTED: Final = 0x1
_NO_FILE_NAME: Final = re.compile(r'[<>:"|?*\x00-\x1f\x7f]')


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """The archive, open for reading; whatever is wrong with it, here or in the block, is an InputError that names the file."""
    if not path.is_file():
        raise InputError(f"{path.name}: there is no such file (any more). Upload or name it again.")
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except InputError:
        raise
    except NotImplementedError as error:
        raise InputError(f"{path.name}: packed in a way that is not understood ({error}). Pack it again as an ordinary ZIP (method Deflate).") from error
    except (zipfile.BadZipFile, zlib.error, LZMAError, EOFError, struct.error, ValueError, OverflowError) as error:
        why = str(error) or "it ends too early"
        raise InputError(f"{path.name}: wanted a whole ZIP archive; it is none, or it is damaged ({why}). Copy or pack it again.") from error
    except OSError as error:
        with file_errors(path, "read"):
            raise error


def entries(archive: zipfile.ZipFile, wanted: Callable[[str], bool]) -> dict[str, zipfile.ZipInfo]:
    """The wanted files by their path (POSIX, relative, NFC). Hidden files and ``__MACOSX`` are left out.

    Raises
    ------
    InputError
        A path leads out of the folder, or a wanted file is a link, encrypted, or there twice.
    """
    found: dict[str, zipfile.ZipInfo] = {}
    name = Path(str(archive.filename)).name
    for info in archive.infolist():
        path = _safe_path(info, name)
        if info.is_dir() or _hidden(path) or not wanted(path):
            continue
        if path in found:
            raise InputError(f"{name}: holds {path} twice. Pack the folder again into a new ZIP.")
        found[path] = _plain_file(info, path, name)
    return found


def unpack(archive: zipfile.ZipFile, files: Mapping[str, zipfile.ZipInfo], target: Path, progress: Progress = silent) -> None:
    """Write ``files`` (path -> entry) into the folder ``target``, which must not exist.

    An entry never becomes larger than it says it is: ``zipfile`` stops there and finds the checksum wrong. So what the entries
    say is enough to know before the first byte whether the disk can take them.
    """
    name = Path(str(archive.filename)).name
    with file_errors(target, "unpack"):
        target.mkdir(parents=True)
        _check_room(name, sum(info.file_size for info in files.values()), target)
    for done, (path, info) in enumerate(files.items()):
        if done % 50 == 0:
            progress(done, len(files), f"unpacking {name}")
        with archive.open(info) as packed, file_errors(target / path, "unpack"):
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            with (target / path).open("xb") as file:
                shutil.copyfileobj(packed, file, CHUNK)


def _check_room(name: str, needed: int, target: Path) -> None:
    free = shutil.disk_usage(target).free - RESERVE
    if needed > free:
        raise InputError(
            f"{name}: unpacked it takes {needed / 2**20:,.0f} MB, and {max(0, free) / 2**20:,.0f} MB are free on the disk of the workspace. "
            "Free some space, or split the ZIP."
        )


def _plain_file(info: zipfile.ZipInfo, path: str, name: str) -> zipfile.ZipInfo:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):  # 0: packed on a system that notes no kind
        raise InputError(f"{name}: {path} in it is a link, not a picture. Pack the pictures themselves.")
    if info.flag_bits & _ENCRYPTED:
        raise InputError(f"{name}: {path} in it is encrypted. Pack the folder again without a password.")
    return info


def _safe_path(info: zipfile.ZipInfo, name: str) -> str:
    """Where the entry may lie below a folder; characters that Windows does not know in names become ``_`` everywhere."""
    text = _decoded(info).replace("\\", "/")
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if text.startswith("/") or ".." in parts or re.match(r"[A-Za-z]:", text):
        raise InputError(f"{name}: the path {text!r} in it leads out of the folder. Such a ZIP is not unpacked; pack the folder itself again.")
    return "/".join(_NO_FILE_NAME.sub("_", part).rstrip(" .") or "_" for part in parts)


def _decoded(info: zipfile.ZipInfo) -> str:
    """The name as it was meant: macOS and others write UTF-8 without saying so, and letters with their accents apart."""
    text = info.filename
    if not info.flag_bits & _UTF8:
        with contextlib.suppress(UnicodeError):  # of another program, whose name was right
            text = text.encode("cp437").decode("utf-8")
    return unicodedata.normalize("NFC", text)


def _hidden(path: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(path).parts)
