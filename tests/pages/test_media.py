"""Tokens, pictures, label images and uploads over HTTP, without a browser and without Streamlit."""

import contextlib
import gzip
import http.client
import io
import json
import os
import stat
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
import uvicorn
from PIL import Image
from starlette.applications import Starlette
from starlette.routing import Route

from core.errors import InputError
from core.images import IMAGE_SUFFIXES, Plane, read, write_image, write_labels
from core.workspace import Experiment, create_experiment
from pages.parts import media, receiving, tokens


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Experiment:
    monkeypatch.setenv("SENESCOPE_WORKSPACE", str(tmp_path / "work space æ"))
    return create_experiment("exp")


@dataclass(frozen=True)
class Answer:
    status_code: int
    headers: http.client.HTTPMessage
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode("utf-8")


@dataclass(frozen=True)
class Client:
    """Speaks HTTP to the routes, as a browser would."""

    port: int

    def get(self, url: str, **headers: str) -> Answer:
        return self.ask("GET", url, None, headers)

    def post(self, url: str, body: bytes | Iterable[bytes], headers: dict[str, str] | None = None) -> Answer:
        return self.ask("POST", url, body, headers or {})

    def ask(self, method: str, url: str, body: bytes | Iterable[bytes] | None, headers: dict[str, str]) -> Answer:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)) as connection:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError, ConnectionAbortedError):  # refused before all was sent
                connection.request(method, url, body, headers)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())


@contextlib.contextmanager
def serving(routes: list[Route]) -> Iterator[Client]:
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), host="127.0.0.1", port=0, ws="none", lifespan="off", log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    give_up = time.monotonic() + 20
    while not server.started and time.monotonic() < give_up:
        time.sleep(0.01)
    yield Client(server.servers[0].sockets[0].getsockname()[1])
    server.should_exit = True
    thread.join(20)


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with serving(media.routes()) as client:
        yield client


@pytest.fixture
def image(experiment: Experiment) -> Path:
    pixels = np.random.default_rng(0).integers(0, 4096, (30, 50)).astype(np.uint16)
    write_image(experiment.images / "a.tif", pixels)
    return experiment.images / "a.tif"


def send(client: Client, experiment: Experiment, name: str, body: bytes | Iterable[bytes] = b"pixels", headers: dict[str, str] | None = None) -> Answer:
    token = receiving.token(experiment, IMAGE_SUFFIXES)
    return client.post(f"/api/upload?name={quote(name, safe='')}", body, {"X-Upload-Token": token, **(headers or {})})


def stored(answer: Answer) -> str:
    assert answer.status_code == 200, answer.text
    return json.loads(answer.text)["stored"]


def leftovers(experiment: Experiment) -> list[str]:
    return [p.name for p in experiment.images.iterdir() if p.name.startswith(".upload")]


# ---- tokens


def test_token_carries_its_content(experiment: Experiment) -> None:
    token = tokens.sign("picture", {"path": "/a/å.tif", "plane": [1, None, None, None]})
    assert tokens.read("picture", token) == {"path": "/a/å.tif", "plane": [1, None, None, None]}
    assert set(token) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")


def test_token_stays_the_same_for_a_while_and_dies_after_a_day(experiment: Experiment) -> None:
    start = 1_800_000_000.0 // 3600 * 3600
    token = tokens.sign("picture", {"path": "a"}, now=start + 5)
    assert tokens.sign("picture", {"path": "a"}, now=start + 3599) == token
    assert tokens.read("picture", token, now=start + 3599 + 24 * 3600) == {"path": "a"}
    with pytest.raises(tokens.BadToken, match="more than a day"):
        tokens.read("picture", token, now=start + 25 * 3600 + 1)


@pytest.mark.parametrize("token", ["", ".", "a.b", "å.ø", "eyJhIjoxfQ.AAAA", "e" * 10_000])
def test_made_up_tokens(experiment: Experiment, token: str) -> None:
    with pytest.raises(tokens.BadToken):
        tokens.read("picture", token)


def test_token_is_for_one_purpose_and_one_workspace(experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = tokens.sign("picture", {"path": "a"})
    body, mac = token.split(".")
    for wrong in (f"{body[:-1]}A.{mac}", f"{body}.{mac[:-2]}AA"):
        with pytest.raises(tokens.BadToken):
            tokens.read("picture", wrong)
    with pytest.raises(tokens.BadToken):
        tokens.read("labels", token)
    monkeypatch.setenv("SENESCOPE_WORKSPACE", str(tmp_path / "other"))
    with pytest.raises(tokens.BadToken):
        tokens.read("picture", token)


def test_secret_outlives_the_app_and_is_private(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    token = tokens.sign("picture", {"path": "a"})
    monkeypatch.setattr(tokens, "_known", {})  # as after a restart
    assert tokens.read("picture", token) == {"path": "a"}
    secret = experiment.path.parent / ".secret"
    assert len(secret.read_bytes()) == 32
    if os.name == "posix":
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600


def test_damaged_secret_is_replaced(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    (experiment.path.parent / ".secret").write_bytes(b"half")
    monkeypatch.setattr(tokens, "_known", {})
    assert tokens.read("picture", tokens.sign("picture", {})) == {}


# ---- pictures


def test_picture_is_a_preview_of_the_file(client: Client, image: Path) -> None:
    answer = client.get(media.picture_url(image))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert "immutable" in answer.headers["cache-control"]
    shown = np.asarray(Image.open(io.BytesIO(answer.content)))
    assert (shown.shape, shown.dtype) == ((30, 50), np.uint8)
    order = np.corrcoef(shown.ravel(), read(image).pixels.ravel())[0, 1]
    assert order > 0.99


def test_known_picture_is_not_sent_again(client: Client, image: Path) -> None:
    url = media.picture_url(image)
    tag = client.get(url).headers["etag"]
    assert client.get(url, **{"If-None-Match": tag}).status_code == 304


def test_address_changes_with_the_file(client: Client, image: Path) -> None:
    before = media.picture_url(image)
    assert media.picture_url(image) == before
    write_image(image, np.full((30, 50), 7, np.uint16) + np.eye(30, 50, dtype=np.uint16))
    os.utime(image, ns=(1, 1))
    assert media.picture_url(image) != before


def test_plane_of_a_stack(client: Client, experiment: Experiment) -> None:
    import tifffile

    stack = np.zeros((2, 20, 30), np.uint16)
    stack[1, :, 15:] = 900
    path = experiment.images / "stack.tif"
    tifffile.imwrite(path, stack, imagej=True, metadata={"axes": "CYX"})
    whole = client.get(media.picture_url(path))
    assert whole.status_code == 422
    assert "#C=0" in whole.text
    one = client.get(media.picture_url(path, Plane(channel=1)))
    assert np.asarray(Image.open(io.BytesIO(one.content)))[:, 20].min() == 255
    assert media.size(path, Plane(channel=1)) == (20, 30)


def test_large_fields_are_reduced_together(client: Client, experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "LONGEST_SIDE", 100)
    path, labels = experiment.images / "wide.tif", experiment.images / "wide_labels.tif"
    truth = np.zeros((31, 250), np.int32)
    truth[10:20, 120:249] = 70_000
    write_image(path, (truth > 0).astype(np.uint8) * 200)
    write_labels(labels, truth)
    assert media.reduction(31, 250) == 3
    picture = Image.open(io.BytesIO(client.get(media.picture_url(path)).content))
    small = np.frombuffer(gzip.decompress(client.get(media.labels_url(labels)).content), "<u4").reshape(picture.height, picture.width)
    assert picture.size == (84, 11)
    assert set(np.unique(small)) == {0, 70_000}
    bright = np.asarray(picture) > 128
    assert (bright == (small > 0)).mean() > 0.95


def test_big_previews_are_jpeg(client: Client, experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "LOSSLESS_UP_TO", 100)
    path = experiment.images / "colour.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8)).save(path)
    answer = client.get(media.picture_url(path))
    assert answer.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(answer.content)).size == (40, 40)


@pytest.mark.parametrize(("largest", "dtype"), [(65_535, "<u2"), (65_536, "<u4")])
def test_labels_keep_their_numbers(client: Client, experiment: Experiment, largest: int, dtype: str) -> None:
    truth = np.zeros((6, 9), np.int32)
    truth[1, 2:5], truth[4, 8] = largest, 3
    path = experiment.images / "labels.tif"
    write_labels(path, truth)
    answer = client.get(media.labels_url(path))
    assert answer.headers["content-encoding"] == "gzip"
    np.testing.assert_array_equal(np.frombuffer(gzip.decompress(answer.content), dtype).reshape(6, 9), truth)


def test_wrong_tokens_and_files_are_refused(client: Client, experiment: Experiment, image: Path) -> None:
    url = media.picture_url(image)
    assert client.get(url[:-3] + "AAA").status_code == 403
    assert client.get(url.replace("/picture/", "/labels/")).status_code == 403
    missing = client.get(media.picture_url(experiment.images / "gone.tif"))
    assert (missing.status_code, missing.text) == (404, "gone.tif is not in its place any more.")
    (experiment.images / "text.tif").write_text("no pixels here")
    broken = client.get(media.picture_url(experiment.images / "text.tif"))
    assert broken.status_code == 422
    assert "text.tif" in broken.text


def test_routes_under_a_prefix(experiment: Experiment, image: Path) -> None:
    with serving(media.routes("/senescope/")) as client:
        assert client.get(media.picture_url(image, base="senescope")).status_code == 200


def test_cache_makes_a_thing_once_and_stays_small() -> None:
    cache, made = media.ByteCache(25), []

    def make(key: str):  # type: ignore[no-untyped-def]
        def run() -> tuple[bytes, str]:
            made.append(key)
            time.sleep(0.02)
            return key.encode() * 10, "x/y"

        return run

    threads = [threading.Thread(target=cache.get, args=("a", make("a"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == ["a"]
    for key in "bca":
        cache.get(key, make(key))
    assert made == ["a", "b", "c", "a"]  # "a" had to go when "c" came
    assert cache.used == 20


def test_cache_goes_on_after_an_error() -> None:
    cache = media.ByteCache(25)

    def fails() -> tuple[bytes, str]:
        raise InputError("no")

    for _ in range(2):
        with pytest.raises(InputError):
            cache.get("a", fails)
    assert cache.get("a", lambda: (b"now", "x/y")).body == b"now"


# ---- uploads


def test_upload_is_stored_whole(client: Client, experiment: Experiment) -> None:
    body = os.urandom(9_000_000)
    answer = send(client, experiment, "field 1.tif", body)
    assert stored(answer) == "images/field 1.tif"
    assert (experiment.images / "field 1.tif").read_bytes() == body
    assert leftovers(experiment) == []


def test_upload_never_overwrites(client: Client, experiment: Experiment) -> None:
    assert stored(send(client, experiment, "a.tif", b"one")) == "images/a.tif"
    assert stored(send(client, experiment, "a.tif", b"one")) == "images/a.tif"
    assert stored(send(client, experiment, "a.tif", b"two")) == "images/a_2.tif"
    assert (experiment.images / "a.tif").read_bytes() == b"one"


@pytest.mark.parametrize(
    ("raw", "safe"),
    [
        ("../../evil.tif", "evil.tif"),
        ("..\\..\\evil.tif", "evil.tif"),
        ("/etc/x.tif", "etc_x.tif"),
        ("C:\\data\\x.tif", "C__data_x.tif"),
        ("phase/f01.tif", "phase_f01.tif"),
        ("blåbær 日本 ü.tif", "blåbær 日本 ü.tif"),
        ("a\u0308.tif", "ä.tif"),
        (".hidden.tif", "hidden.tif"),
        ("con.tif", "_con.tif"),
        ('a<b>:"c|?*.tif', "a_b_c_.tif"),
        ("a\x00b\n.tif", "a_b_.tif"),
        ("   .tif", "tif"),
        ("", "image"),
        ("x" * 300 + ".ome.tif", None),
        ("å" * 300 + ".tif", None),
    ],
)
def test_names_become_safe(experiment: Experiment, raw: str, safe: str | None) -> None:
    name = receiving.safe_name(raw)
    assert safe is None or name == safe
    assert len(name.encode()) <= 180
    if safe is None:
        assert name.endswith(".tif")
        assert Path(name).parent == Path()


def test_upload_of_a_hostile_name_stays_inside(client: Client, experiment: Experiment) -> None:
    assert stored(send(client, experiment, "../../../æ/..\\x.tif")) == "images/æ_x.tif"
    assert [p.name for p in experiment.images.iterdir()] == ["æ_x.tif"]


@pytest.mark.parametrize("name", ["notes.docx", "tif", "page.html", "a.tif.exe"])
def test_unknown_suffixes_are_refused(client: Client, experiment: Experiment, name: str) -> None:
    answer = send(client, experiment, name)
    assert answer.status_code == 415
    assert "wanted one of" in answer.text
    assert list(experiment.images.iterdir()) == []


def test_empty_upload_is_refused(client: Client, experiment: Experiment) -> None:
    answer = send(client, experiment, "a.tif", b"")
    assert (answer.status_code, answer.text) == (422, "the file is empty.")
    assert list(experiment.images.iterdir()) == []


def test_too_large_by_header_and_by_stream(client: Client, experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENESCOPE_MAX_UPLOAD_MB", "1")
    by_header = send(client, experiment, "a.tif", b"x" * (2**20 + 1))
    by_stream = send(client, experiment, "a.tif", (b"x" * 300_000 for _ in range(5)))  # in chunks, without a length
    for answer in (by_header, by_stream):
        assert answer.status_code == 413
        assert "1 MB" in answer.text
    assert list(experiment.images.iterdir()) == []


@pytest.mark.parametrize("text", ["many", "0", "-3", "nan", "inf"])
def test_limit_must_be_a_number(experiment: Experiment, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("SENESCOPE_MAX_UPLOAD_MB", text)
    with pytest.raises(InputError, match="SENESCOPE_MAX_UPLOAD_MB"):
        receiving.limit_bytes()


def test_upload_needs_a_token_of_the_same_experiment(client: Client, experiment: Experiment) -> None:
    assert client.post("/api/upload?name=a.tif", b"x").status_code == 403
    picture = tokens.sign("picture", {"path": "a"})
    assert client.post("/api/upload?name=a.tif", b"x", {"X-Upload-Token": picture}).status_code == 403
    gone = Experiment(experiment.path.parent / "gone")
    answer = send(client, gone, "a.tif")
    assert answer.status_code == 404
    assert not gone.path.exists()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://lab.example", "Host": "lab.example"}, 200),
        ({"Origin": "https://lab.example", "X-Forwarded-Host": "lab.example"}, 200),
    ],
)
def test_only_our_own_pages_may_send(client: Client, experiment: Experiment, headers: dict[str, str], status: int) -> None:
    assert send(client, experiment, "a.tif", headers=headers).status_code == status


def test_broken_connection_leaves_nothing(experiment: Experiment) -> None:
    from concurrent.futures import ThreadPoolExecutor

    import anyio

    token = receiving.token(experiment, IMAGE_SUFFIXES)
    messages = [{"type": "http.request", "body": b"x" * 100, "more_body": True}, {"type": "http.disconnect"}]
    scope = {"type": "http", "method": "POST", "path": "/api/upload", "query_string": b"name=a.tif", "headers": [(b"x-upload-token", token.encode())]}

    async def run() -> None:
        from starlette.requests import Request

        async def receive() -> dict:
            return messages.pop(0)

        assert (await receiving.upload(Request(scope, receive))).status_code == 400

    with ThreadPoolExecutor(1) as other:  # the browser tests leave an event loop running in this thread
        other.submit(anyio.run, run).result()
    assert list(experiment.images.iterdir()) == []


def test_old_leftovers_are_swept(client: Client, experiment: Experiment) -> None:
    old, new = experiment.images / ".upload-0.part", experiment.images / ".upload-1.part"
    old.write_bytes(b"x")
    new.write_bytes(b"x")
    os.utime(old, (1, 1))
    send(client, experiment, "a.tif")
    assert leftovers(experiment) == [new.name]


def test_uploads_at_the_same_time(client: Client, experiment: Experiment) -> None:
    answers: list[str] = []

    def one(k: int) -> None:
        answers.append(stored(send(client, experiment, "same.tif", bytes([k]) * 100_000)))

    threads = [threading.Thread(target=one, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == sorted(["images/same.tif", *(f"images/same_{n}.tif" for n in range(2, 7))])
