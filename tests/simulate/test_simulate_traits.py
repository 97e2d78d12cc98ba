"""The traits of simulated cells, and what they say of the class."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from core.simulate.shapes import SPEAKING, Traits, draw_traits


@pytest.fixture(scope="module")
def drawn() -> list[Traits]:
    """As many senescent cells as others."""
    rng = np.random.default_rng(0)
    return [draw_traits(rng, k % 2 == 0, 1.2, 0.0) for k in range(8000)]


def test_the_evidence_is_the_logarithm_of_a_likelihood_ratio(drawn: list[Traits]):
    """Of cells with the same evidence the share of senescent ones is its logistic function, at even prior odds."""
    evidence = np.array([sum(one.evidence) for one in drawn])
    senescent = np.array([one.senescent for one in drawn])
    for low, high in ((-6, -2), (-2, -0.5), (-0.5, 0.5), (0.5, 2), (2, 6)):
        here = (evidence >= low) & (evidence < high)
        expected = 1 / (1 + np.exp(-evidence[here]))
        assert here.sum() > 100
        deviation = np.sqrt((expected * (1 - expected)).sum()) / here.sum()
        assert senescent[here].mean() == pytest.approx(expected.mean(), abs=4 * deviation)


@pytest.mark.parametrize("trait", ["area_um2", "spread", "granules", "vacuoles", "nucleus_um2"])
def test_no_single_trait_separates_as_well_as_the_evidence(drawn: list[Traits], trait: str):
    senescent = [one.senescent for one in drawn]
    alone = roc_auc_score(senescent, [getattr(one, trait) for one in drawn])
    assert 0.75 < alone < 0.95
    assert alone < roc_auc_score(senescent, [sum(one.evidence) for one in drawn])


def test_each_trait_speaks_for_itself(drawn: list[Traits]):
    """What one says hangs on it alone; the sum over traits is what all say."""
    for k, trait in enumerate(("area_um2", "spread", "granules", "vacuoles", "nucleus_um2")):
        assert trait.startswith(SPEAKING[k])
        evidence = np.array([one.evidence[k] for one in drawn])
        rank = np.corrcoef(np.argsort(np.argsort(evidence)), np.argsort(np.argsort([getattr(one, trait) for one in drawn])))[0, 1]
        assert rank > 0.8
