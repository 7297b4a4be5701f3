"""What a user holds after many refits."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.errors import DataError, FamilyError
from mixcheck.port import port_of

# Two searches with a tolerance of 1e-6.
ESTIMATE = 1e-5


@pytest.fixture(scope="module")
def responses(cbpp: mc.GLMM) -> pd.DataFrame:
    """Simulated responses by name, the last of them impossible."""
    frame = cbpp.simulate(4, seed=2).set_axis(list("abcd"), axis=1).astype(float)
    frame.loc[frame.index[0], "d"] = -1.0
    return frame


def test_a_frame_is_fitted_by_its_labels(cbpp, responses):
    """Rows are matched by their index and fits named by the columns."""
    refits = cbpp.refit(responses.sample(frac=1.0, random_state=1))
    assert isinstance(refits, mc.Refits)
    assert len(refits) == 4
    assert refits.labels.tolist() == ["a", "b", "c", "d"]
    for name, fit in zip("abc", refits, strict=False):
        alone = cbpp.refit(responses[name])
        # Refits end where no estimate is off by more than 1e-6 of its error, alone or together.
        found = refits.estimates.loc[name, alone.params.index]
        assert (np.abs(found - alone.params) < 1e-6 * alone.bse).all()
        np.testing.assert_allclose(fit.params, alone.params, atol=ESTIMATE)
        assert refits.llf[name] == fit.llf
    assert refits.estimates.columns.tolist()[-1] == "sd(herd, Intercept)"


def test_failures_are_values_with_reasons(cbpp, responses):
    """A response that cannot be fitted is an error in its place, counted, with no numbers."""
    refits = cbpp.refit(responses)
    assert isinstance(refits[3], FamilyError)
    assert refits.failed == 1
    ((reason, count),) = refits.failures
    assert count == 1
    assert reason.startswith("FamilyError")
    assert refits.estimates.loc["d"].isna().all()
    assert np.isnan(refits.llf["d"])
    assert refits.converged.tolist() == [True, True, True, False]
    assert repr(refits) == "<Refits 3 fits, 1 failures>"
    assert len(refits[1:3]) == 2


def test_a_matrix_is_fitted_by_its_order(cbpp, responses):
    """The columns of a matrix are those of a frame in the order of the rows."""
    refits = cbpp.refit(responses.to_numpy()[:, :2])
    named = cbpp.refit(responses[["a", "b"]])
    np.testing.assert_allclose(refits.estimates, named.estimates)
    assert refits.labels.tolist() == [0, 1]
    assert len(cbpp.refit(responses[["a"]])) == 1


def test_other_rows_are_refused(cbpp, responses):
    """Rows that are not those of the fit, and matrices without columns."""
    with pytest.raises(DataError, match="index that is not that of the rows used"):
        cbpp.refit(responses.iloc[1:])
    with pytest.raises(DataError, match=r"have shape \(3, 2\); 56 rows are needed"):
        cbpp.refit(np.ones((3, 2)))
    with pytest.raises(DataError, match="a column for each response"):
        cbpp.refit(np.ones((56, 0)))
    with pytest.raises(DataError, match="different lengths"):
        cbpp.refit([[1.0], [1.0, 2.0]])


def test_estimates_have_the_scale_of_the_user(sleepstudy):
    """Standard deviations, correlations and the dispersion are those of the fit."""
    y = sleepstudy.frame["Reaction"].to_numpy()[:, None]
    ((_, estimates),) = sleepstudy.refit(y).estimates.iterrows()
    table = port_of(sleepstudy).covariance_parameters()
    wanted = [*sleepstudy.params, *table["estimate"], sleepstudy.dispersion]
    np.testing.assert_allclose(estimates, wanted, rtol=1e-4)
    assert estimates.index.tolist()[2:] == [
        "sd(Subject, Intercept)",
        "sd(Subject, Days)",
        "cor(Subject, Intercept, Days)",
        "dispersion",
    ]


def test_refits_pickle(cbpp, responses):
    """Refits survive pickling."""
    refits = cbpp.refit(responses)
    again = pickle.loads(pickle.dumps(refits))
    pd.testing.assert_frame_equal(again.estimates, refits.estimates)
