"""Depthwise convolutions whose backward pass is quick on a CPU."""

from contextlib import AbstractContextManager
from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.classifier.swapping import other_forward

_BLOCK = 256  # channels summed together: their sums for a 5 x 5 kernel then stay in the first-level cache


@numba.njit(cache=True, nogil=True, fastmath=True)
def _add_weight_gradient(x: np.ndarray, grad: np.ndarray, stride: int, total: np.ndarray) -> None:
    """Add to ``total`` (k, k, C) the gradient of the weights for ``x`` (N, H, W, C) and ``grad`` (N, h, w, C), all float32."""
    images, rows, columns, channels = grad.shape
    side = total.shape[0]
    for low in range(0, channels, _BLOCK):
        high = min(low + _BLOCK, channels)
        for n in range(images):
            for row in range(rows):
                for column in range(columns):
                    g = grad[n, row, column, low:high]
                    for i in range(side):
                        for j in range(side):
                            pixel = x[n, row * stride + i, column * stride + j, low:high]
                            kernel = total[i, j, low:high]
                            for c in range(high - low):
                                kernel[c] += g[c] * pixel[c]


class _Depthwise(torch.autograd.Function):
    """A depthwise convolution without padding, whose gradient avoids the slow ways of oneDNN.

    oneDNN's gradient of a depthwise convolution by its weights, and in bfloat16 with a stride also by its input, takes most
    of a training step of an EfficientNet on a CPU. The first is done by plain loops here, the second in float32.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return F.conv2d(x, weight.to(x.dtype), stride=stride, groups=weight.shape[0])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        x, weight = ctx.saved_tensors
        total = torch.zeros(*weight.shape[2:], weight.shape[0])
        _add_weight_gradient(_channels_last(x), _channels_last(grads[0]), ctx.stride, total.numpy())
        work = x.dtype if ctx.stride == 1 else torch.float32
        grad_x = _input_gradient(grads[0].to(work), x.to(work), weight.to(work), ctx.stride)
        return grad_x.to(x.dtype), total.permute(2, 0, 1)[:, None].to(weight.dtype), None


def _input_gradient(grad: Tensor, x: Tensor, weight: Tensor, stride: int) -> Tensor:
    steps, none, ones = [stride, stride], [0, 0], [1, 1]
    wanted = [True, False, False]
    back = torch.ops.aten.convolution_backward
    gradient: Tensor = back(grad, x, weight, None, steps, none, ones, False, none, len(weight), wanted)[0]
    return gradient


def _channels_last(x: Tensor) -> np.ndarray:
    return x.detach().permute(0, 2, 3, 1).float().contiguous().numpy()


def _forward(conv: Any, x: Tensor) -> Tensor:
    return _Depthwise.apply(conv.static_padding(x), conv.weight, conv.stride[0])


def quick_backward(network: nn.Module) -> AbstractContextManager[None]:
    """Within this context the depthwise convolutions of an EfficientNet on the CPU go backward quickly."""
    return other_forward((m for m in network.modules() if isinstance(m, nn.Conv2d) and m.groups > 1), _forward)
