"""How long an assessment takes and how much memory it needs, measured from outside as a user meets it.

    python benchmarks/whole_assessment.py demo            # the demo experiment: three simulated fields of 1024 px
    python benchmarks/whole_assessment.py field --size 4096
    python benchmarks/whole_assessment.py folder --phase FOLDER

Prints seconds of wall time and the largest resident memory of the process (Linux and macOS; ``resource`` is not on Windows).
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DEMO = "import sys; from core.stages import RUN; print(RUN['demo']({'experiment': sys.argv[1]}, lambda *_: None))"


def measured(what: str, workspace: Path, *words: str) -> Path:
    """Run one command, print its time and peak memory, return the path on its last line."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=os.environ | {"SENESCOPE_WORKSPACE": str(workspace)}, stdout=subprocess.PIPE, text=True, check=True
    )
    seconds = time.perf_counter() - started
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kibibytes here
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit / 2**30
    print(json.dumps({"what": what, "seconds": round(seconds, 1), "peak_gib_so_far": round(peak, 2)}), flush=True)
    return Path(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("demo", "field", "folder"))
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--phase", nargs="+", default=[])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace, experiment = Path(folder), str(Path(folder) / "measured")
        if given.what == "demo":
            measured("demo experiment, from nothing to the report", workspace, "-c", DEMO, experiment)
            return
        if given.what == "field":
            measured("simulate", workspace, "-m", "core", "simulate", experiment, "--samples", "1", "--fields", "1", "--size", str(given.size))
        else:
            measured("add", workspace, "-m", "core", "add", experiment, "--phase", *given.phase)
        measured("segment", workspace, "-m", "core", "segment", experiment)
        measured("assess", workspace, "-m", "core", "assess", experiment)


if __name__ == "__main__":
    main()
