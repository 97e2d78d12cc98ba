"""Registration of a stain or colour image to the phase image of the same field.

``register(phase, stain, method="similarity", *, pad=False) -> Registration`` finds it for one pair,
``consensus(registrations) -> Consensus`` pools the good ones of one imaging session for the others,
``warp(image, registration, shape)`` and ``coverage(registration, stain_shape, shape)`` apply it,
``nudged(registration, dy, dx, rotation_deg, scale, shape=...)`` moves it by hand,
``flattened`` makes both images alike to the eye; ``checkerboard``, ``false_colour`` and ``blink`` show them.
"""

from core.registration.estimate import register
from core.registration.features import grey_for_registration
from core.registration.pictures import blink, checkerboard, false_colour, flattened
from core.registration.session import Consensus, consensus
from core.registration.values import METHODS, PARAMETERS, Registration, displacement, from_row, unregistered
from core.registration.warping import coverage, nudged, warp

__all__ = [
    "METHODS",
    "PARAMETERS",
    "Consensus",
    "Registration",
    "blink",
    "checkerboard",
    "consensus",
    "coverage",
    "displacement",
    "false_colour",
    "flattened",
    "from_row",
    "grey_for_registration",
    "nudged",
    "register",
    "unregistered",
    "warp",
]
