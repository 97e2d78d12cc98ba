"""The order of the crops, the best epoch, early stopping."""

import numpy as np
import pytest

from core.classifier.sampling import ahead, best_epoch, epoch_order, positive_weight, stalled, steps_of

CLASSES = np.array([0] * 9 + [1] * 3)


def test_an_epoch_shows_every_crop_once_in_an_order_of_its_own():
    first, again, second = (epoch_order(CLASSES, 4, 7, epoch) for epoch in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert sorted(first) == list(range(12))
    assert first.tolist() != second.tolist()


def test_a_balanced_epoch_draws_half_of_each_class():
    drawn = CLASSES[epoch_order(CLASSES, 4, 0, 1, balanced=True)]
    assert (len(drawn), drawn.sum()) == (12, 6)


@pytest.mark.parametrize(("cells", "batch", "kept", "steps"), [(12, 4, 12, 3), (13, 4, 12, 3), (14, 4, 14, 4), (2, 8, 2, 1), (1, 8, 0, 0)])
def test_a_last_batch_of_one_crop_is_left_out(cells, batch, kept, steps):
    assert len(epoch_order(np.zeros(cells), batch, 0, 1)) == kept
    assert steps_of(cells, batch) == steps


def test_classes_get_the_same_say():
    assert positive_weight(CLASSES) == 3.0


def epochs(*seen, se):
    return [{"val_auc": auc, "val_loss": loss, "val_auc_se": se} for auc, loss in seen]


def test_the_best_epoch_has_the_smallest_loss_of_those_whose_auc_is_near_the_largest():
    rows = epochs((0.70, 0.1), (0.90, 0.5), (0.89, 0.4), (0.91, 0.45), (0.80, 0.2), se=0.02)
    assert [best_epoch(rows[: k + 1]) for k in range(5)] == [0, 1, 2, 2, 2]
    assert [stalled(rows, patience) for patience in (0, 2, 3)] == [False, True, False]


def test_an_epoch_that_a_better_one_leaves_behind_is_no_longer_the_best():
    assert best_epoch(epochs((0.90, 0.3), (0.96, 0.5), se=0.02)) == 1


def test_without_a_standard_error_the_largest_auc_counts_then_the_loss():
    rows = [{"val_auc": auc, "val_loss": loss} for auc, loss in ((0.7, 0.1), (0.9, 0.5), (0.9, 0.4), (0.8, 0.2))]
    assert best_epoch(rows) == 2


def test_prepared_ahead_they_are_the_same_and_an_error_arrives():
    assert list(ahead(iter(range(5)))) == list(range(5))

    def broken():
        yield 1
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(ahead(broken()))


@pytest.mark.parametrize(("cells", "batch", "processes", "kept", "steps"), [(15, 4, 2, 12, 3), (16, 4, 2, 16, 4), (14, 6, 1, 14, 3), (14, 6, 2, 12, 2)])
def test_a_last_batch_gives_every_process_two_crops_or_is_left_out(cells, batch, processes, kept, steps):
    assert len(epoch_order(np.zeros(cells), batch, 0, 1, processes=processes)) == kept
    assert steps_of(cells, batch, processes) == steps
