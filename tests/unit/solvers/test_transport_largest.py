"""The largest sparse integers: what the core reads as an absent pair is refused, and named."""

import numpy as np
import pytest
import scipy.sparse

import gridcompute as gc


@pytest.mark.parametrize("dtype", [np.int64, np.uint64])
@pytest.mark.parametrize("form", ["csr_array", "csc_array", "coo_array"])
def test_an_integer_that_means_forbidden_is_refused(dtype, form):
    """If this fails, a stored pair of cost 2**62 - 1 counts as absent, and its job as left out."""
    cost = getattr(scipy.sparse, form)(np.array([[5, 2**62 - 1], [3, 4]], dtype))
    with pytest.raises(gc.CostRangeError, match=rf"found {2**62 - 1}, sparse integers below"):
        gc.transport(cost, [1, 1], unplaced=2.0**70)
    below = getattr(scipy.sparse, form)(np.array([[5, 2**62 - 2], [3, 4]], dtype))
    m = gc.transport(below, [1, 1], unplaced=2.0**70)
    assert m.verify().valid, m.verify().reasons
