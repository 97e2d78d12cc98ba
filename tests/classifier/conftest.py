import numpy as np
import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread():
    """The tests share few cores, and tiny networks gain nothing from threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def small_state():
    """The state dict of a random B0 with the statistics of a used network, as efficientnet_pytorch itself builds it."""
    from efficientnet_pytorch import EfficientNet

    torch.manual_seed(0)
    network = EfficientNet.from_name("efficientnet-b0", in_channels=1, num_classes=1, image_size=64)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return network.state_dict()


@pytest.fixture
def checkpoint(small_state):
    from core.classifier.checkpoint import Checkpoint

    return Checkpoint(
        architecture="efficientnet-b0",
        crop_px=64,
        mean=0.1,
        std=0.3,
        intensity="field",
        pixel_size_um=0.65,
        threshold=0.4,
        card={"licence": "BSD-3-Clause", "scores": {"auc": 0.9}},
        simulated=True,
        state=small_state,
    )


@pytest.fixture
def crops():
    return np.random.default_rng(1).normal(size=(5, 64, 64)).astype(np.float32)
