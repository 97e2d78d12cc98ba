"""torchvision's transforms, also beside a torch without CUDA."""

import sys
from functools import cache
from typing import Any

import torch

_KEPT: list[Any] = []  # operators live as long as the library object that defines them


@cache
def transforms() -> Any:
    """The module ``torchvision.transforms.v2.functional``.

    On Linux the package index has torchvision for CUDA only. Beside a torch for the processor its compiled operators cannot be
    loaded, and the import ends with "operator torchvision::nms does not exist", although no transform needs that one: it is
    then declared, without a body, and the import tried again.
    """
    try:
        from torchvision.transforms.v2 import functional
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        _declare_operators()
        from torchvision.transforms.v2 import functional
    return functional


def _declare_operators() -> None:
    for name in [one for one in sys.modules if one.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _KEPT.append(library)
