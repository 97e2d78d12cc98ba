"""Tell the threads of a computation not to hold a core for long while they wait for each other."""

import os
from typing import Final

DECIDED: Final = {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}  # by whoever set one of these
SPINS: Final = "3000"  # tens of microseconds; by default milliseconds


def wait_without_a_core() -> None:
    """Idle threads of PyTorch sleep after tens of microseconds, so that other programs can use their cores. Where somebody has decided
    on this in the environment already, that holds.

    GNU OpenMP, which PyTorch uses on Linux, lets a thread that waits for the others run on for milliseconds. While another program
    works on the same cores, that is the time which the threads it waits for would need, many thousand times in a step of a training
    (``benchmarks/busy_cores.py``). To be called before PyTorch is imported; other OpenMP libraries do not read this
    (https://gcc.gnu.org/onlinedocs/libgomp/GOMP_005fSPINCOUNT.html).
    """
    if not DECIDED & os.environ.keys():
        os.environ["GOMP_SPINCOUNT"] = SPINS
