"""Downloads, against a server on this machine: all or nothing, with a reason."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from core.errors import Cancelled, InputError
from core.models import download_model, downloading, find_model, library_folder, verify_model


class Server(BaseHTTPRequestHandler):
    """``/<case>/<file>``: what the case says happens."""

    body: ClassVar[bytes] = b""
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        type(self).asked.append(self.path)
        case = self.path.split("/")[1]
        if case == "moved":
            self.send_response(302)
            self.send_header("Location", self.path.replace("moved", "good"))
            self.end_headers()
            return
        if case == "absent":
            self.send_error(404)
            return
        body = {"page": b"<!DOCTYPE html><p>Sign in to the guest network", "empty": b"", "other": self.body + b"x"}.get(case, self.body)
        self.send_response(200)
        if case != "unsized":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if case == "stalled":
            self.wfile.write(body[:1000])
            self.wfile.flush()
            threading.Event().wait(3)
            return
        self.wfile.write(body[: len(body) // 2] if case == "cut" else body)

    def log_message(self, *args: Any) -> None:
        pass


class Quiet(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is part of the game."""


@pytest.fixture(scope="module")
def server(cpnet: Path) -> Iterator[str]:
    Server.body = cpnet.read_bytes()
    with Quiet(("127.0.0.1", 0), Server) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def forget() -> None:
    Server.asked.clear()


def nothing_left() -> bool:
    return not list(library_folder().glob("*")) and not list(library_folder().glob(".*"))


@pytest.mark.parametrize("case", ["good", "unsized", "moved"])
def test_download(server: str, case: str, cpnet: Path) -> None:
    told: list[tuple[float, float, str]] = []
    model = download_model("LC2", lambda *step: told.append(step), f"{server}/{case}/")
    assert Server.asked[0] == f"/{case}/LC2"
    assert (model.source, model.path) == ("zoo", library_folder() / "LC2" / "LC2")
    assert model.path is not None
    assert model.path.read_bytes() == cpnet.read_bytes()
    assert "CC BY-NC" in model.licence
    assert find_model("LC2", "segmenter") == model
    assert verify_model("LC2") == []
    done = [step[0] for step in told]
    assert done == sorted(done)
    assert told[-1][0] == told[-1][1] == pytest.approx(cpnet.stat().st_size / 1e6)
    assert {step[2] for step in told} == {"LC2"}


def test_mirror_from_the_environment(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENESCOPE_MODEL_URL", f"{server}/good")
    assert download_model("nuclei").path == library_folder() / "nuclei" / "nucleitorch_0"
    assert Server.asked == ["/good/nucleitorch_0"]


def test_downloaded_once(server: str) -> None:
    first = download_model("LC1", base_url=f"{server}/good")
    assert download_model("LC1", base_url="http://127.0.0.1:9/nobody") == first
    assert len(Server.asked) == 1


@pytest.mark.parametrize(
    ("case", "word"), [("absent", "404"), ("cut", "cut off"), ("page", "web page"), ("empty", "empty"), ("stalled", "the connection broke")]
)
def test_failures_leave_nothing(server: str, case: str, word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloading, "TIMEOUT_S", 0.5)
    with pytest.raises(InputError, match=word):
        download_model("LC3", base_url=f"{server}/{case}")
    assert nothing_left()


def test_unreachable() -> None:
    with pytest.raises(InputError, match=r"cannot be reached.*models add FILE --name LC3"):
        download_model("LC3", base_url="http://127.0.0.1:9")
    assert nothing_left()


def test_unprotected_answer_is_refused(server: str) -> None:
    """Plain HTTP spoken to an HTTPS address: no certificate, no download."""
    with pytest.raises(InputError, match="protected connection"):
        download_model("LC3", base_url=server.replace("http:", "https:") + "/good")
    assert nothing_left()


@pytest.mark.parametrize("address", ["file:///etc", "ftp://example.org", "models", "https://"])
def test_other_addresses(address: str) -> None:
    with pytest.raises(InputError, match="https://"):
        download_model("LC3", base_url=address)


def test_cancel_in_the_middle(server: str) -> None:
    def stop(done: float, total: float, item: str) -> None:
        if done > total / 4:
            raise Cancelled

    with pytest.raises(Cancelled):
        download_model("LC3", stop, f"{server}/good")
    assert nothing_left()
    assert download_model("LC3", base_url=f"{server}/good").path is not None


def test_changed_file_is_seen_and_mended(server: str) -> None:
    model = download_model("CPx", base_url=f"{server}/good")
    assert model.path is not None
    model.path.write_bytes(model.path.read_bytes()[:-10])
    assert "changed" in verify_model("CPx")[0]
    assert download_model("CPx", base_url=f"{server}/good") == model
    assert verify_model("CPx") == []


def test_second_download_must_be_the_first(server: str) -> None:
    model = download_model("TN1", base_url=f"{server}/good")
    assert model.path is not None
    model.path.unlink()
    with pytest.raises(InputError, match="another file"):
        download_model("TN1", base_url=f"{server}/other")
    assert not model.path.exists()


def test_unknown_and_unsupported_names() -> None:
    with pytest.raises(InputError, match=r"Did you mean .*LC1"):
        download_model("LC0")
    with pytest.raises(InputError, match="transformer"):
        download_model("neurips_cellpose_transformer")
    assert Server.asked == []


def test_too_large_is_refused(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloading, "LARGEST", 1000)
    with pytest.raises(InputError, match="larger"):
        download_model("LC3", base_url=f"{server}/unsized")
    assert nothing_left()
