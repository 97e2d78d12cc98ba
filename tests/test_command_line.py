"""The command line as a user meets it: last line of stdout, exit codes, one clear line for a wrong input."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.setenv("SENESCOPE_WORKSPACE", str(tmp_path / "ws"))

    def run(*words: object) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([sys.executable, "-m", "core", *map(str, words)], cwd=ROOT, capture_output=True, text=True, encoding="utf-8")

    return run


def test_simulate_prints_its_product_last(core, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    done = core("simulate", "small", "--samples", 1, "--fields", 1, "--size", 200)
    assert done.returncode == 0, done.stderr
    made = Path(done.stdout.splitlines()[-1])
    assert made == tmp_path / "ws" / "small"
    assert (made / "truth" / "registration.csv").is_file()
    assert "100%" in done.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("segment", "nowhere"), "no experiment"),
        (("simulate", "x", "--samples", "0"), "wanted a value from 1 to 96"),
        (("add", "x", "--phase", "missing.tif"), "no such file"),
        (("models", "download", "no-such-model"), "no-such-model"),
        (("models", "add", "missing.pt"), "missing.pt"),
    ],
)
def test_a_wrong_input_is_one_line_and_exit_2(core, words: tuple[str, ...], expected: str) -> None:  # type: ignore[no-untyped-def]
    done = core(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert expected in last


def test_models_list_names_the_zoo_without_the_network(core) -> None:  # type: ignore[no-untyped-def]
    done = core("models", "list")
    names = {line.split("\t")[0] for line in done.stdout.splitlines()}
    assert {"LC1", "LC2", "LC3", "LC4", "cyto3", "livecell_cp3", "senescope-phase", "demo-simulated"} <= names
