"""Receiving an upload: streamed to disk in chunks at constant memory, then handed to the workspace."""

import contextlib
import os
import re
import secrets
import time
import unicodedata
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from core.errors import InputError
from core.workspace import Experiment, file_errors, import_file
from pages.parts import tokens

UPLOAD = "upload"
DEFAULT_LIMIT_MB = 4096
BATCH = 4 * 2**20  # bytes gathered before a write, so that a slow disk is asked rarely and never holds up the app
_STALE_S = 24 * 3600
_LONGEST_NAME = 180  # bytes of UTF-8: room for "_2" and the like under the 255 of file systems


class Refused(Exception):
    """The upload cannot be taken: HTTP status and a sentence for the user."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


def limit_bytes() -> int:
    """The largest file taken, from ``SENESCOPE_MAX_UPLOAD_MB``. InputError where that is no number."""
    text = os.environ.get("SENESCOPE_MAX_UPLOAD_MB", "").strip() or str(DEFAULT_LIMIT_MB)
    try:
        limit = int(float(text) * 2**20)
    except (ValueError, OverflowError):
        limit = 0
    if limit <= 0:
        raise InputError(f"SENESCOPE_MAX_UPLOAD_MB: wanted a number of megabytes above 0, found {text!r}.")
    return limit


def token(experiment: Experiment, suffixes: tuple[str, ...], folder: str = "images") -> str:
    """Permission to add files with these suffixes to a folder of an experiment."""
    return tokens.sign(UPLOAD, {"experiment": str(experiment.path), "suffixes": sorted(suffixes), "folder": folder})


def safe_name(raw: str) -> str:
    """A file name for any text a browser sends: letters of every script stay, folders become part of the name.

    ``"plate 1/phase/å.tif"`` -> ``"plate 1_phase_å.tif"``; ``"../x.tif"`` -> ``"x.tif"``.
    """
    text = unicodedata.normalize("NFC", raw.replace("\\", "/"))
    parts = [part for part in text.split("/") if part.strip(" .")]
    name = re.sub(r'[\x00-\x1f\x7f<>:"|?*]+', "_", "_".join(part.strip(" ") for part in parts)).strip(" ").lstrip(".").rstrip(".")
    name = "".join(c for c in name if unicodedata.category(c) not in ("Cc", "Cs"))
    if re.fullmatch(r"(?i)(con|prn|aux|nul|(com|lpt)\d)(\..*)?", name):  # devices on Windows
        name = f"_{name}"
    return _shortened(name) or "image"


def _shortened(name: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    if not dot:
        stem, suffix = name, ""
    room = max(8, _LONGEST_NAME - len((dot + suffix).encode()))
    return stem.encode()[:room].decode(errors="ignore") + dot + suffix


async def upload(request: Request) -> Response:
    """``POST ?name=...`` with the file as the body and the token in ``X-Upload-Token``."""
    try:
        _same_origin(request)
        allowed = tokens.read(UPLOAD, request.headers.get("x-upload-token", ""))
        name = _checked_name(request.query_params.get("name", ""), allowed["suffixes"])
        experiment = Experiment(Path(allowed["experiment"]))
        _check_length(request.headers.get("content-length", ""))
        stored = await _receive(request, experiment, allowed["folder"], name)
    except tokens.BadToken as problem:
        return PlainTextResponse(str(problem), 403)
    except Refused as problem:
        return PlainTextResponse(str(problem), problem.status)
    except InputError as problem:
        return PlainTextResponse(str(problem), 422)
    except ClientDisconnect:
        return PlainTextResponse("The upload was broken off.", 400)
    return JSONResponse({"stored": stored})


def _same_origin(request: Request) -> None:
    """Another site open in the same browser may not send files here."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site not in ("same-origin", "none"):
            raise Refused(403, "Files can only be sent from the pages of this app.")
        return
    origin = request.headers.get("origin")  # browsers leave sec-fetch-site out on plain http
    hosts = {request.headers.get("host"), request.headers.get("x-forwarded-host")}
    if origin is not None and urlsplit(origin).netloc not in hosts:
        raise Refused(403, "Files can only be sent from the pages of this app.")


def _checked_name(raw: str, suffixes: list[str]) -> str:
    name = safe_name(raw)
    if not name.lower().endswith(tuple(suffixes)):
        found = Path(name).suffix or "no suffix"
        raise Refused(415, f"wanted one of {', '.join(s.lstrip('.') for s in suffixes)}, found {found.lstrip('.')}.")
    return name


def _check_length(header: str) -> None:
    if header.isdecimal() and int(header) > limit_bytes():
        raise _too_large()


def _too_large() -> Refused:
    return Refused(413, f"larger than the {limit_bytes() / 2**20:,.0f} MB that this app takes (SENESCOPE_MAX_UPLOAD_MB).")


async def _receive(request: Request, experiment: Experiment, folder: str, name: str) -> str:
    if not experiment.exists:
        raise Refused(404, f"the experiment {experiment.name} is not there any more.")
    part = experiment.path / folder / f".upload-{secrets.token_hex(8)}.part"
    try:
        await run_in_threadpool(_prepare, part.parent)
        size = await _write(request.stream(), part)
        if size == 0:
            raise Refused(422, "the file is empty.")
        return await run_in_threadpool(import_file, experiment, part, name, folder)
    finally:
        part.unlink(missing_ok=True)


def _prepare(folder: Path) -> None:
    """Make the folder; sweep away what a crash of the server left behind long ago."""
    with file_errors(folder, "make the folder"):
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob(".upload-*.part"):
            with contextlib.suppress(OSError):
                if time.time() - old.stat().st_mtime > _STALE_S:
                    old.unlink()


async def _write(chunks: AsyncIterator[bytes], part: Path) -> int:
    limit, size, batch = limit_bytes(), 0, bytearray()
    with file_errors(part, "write the upload"), part.open("xb") as file:
        async for chunk in chunks:
            size += len(chunk)
            if size > limit:
                raise _too_large()
            batch += chunk
            if len(batch) >= BATCH:
                await run_in_threadpool(file.write, bytes(batch))
                batch.clear()
        await run_in_threadpool(file.write, bytes(batch))
    return size
