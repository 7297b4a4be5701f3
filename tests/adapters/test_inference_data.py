"""Results of bambi and PyMC as ArviZ keeps them: found by the names of their groups."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest

from mixcheck.adapters.inference_data import from_inference_data
from mixcheck.errors import DataError, DataWarning, OptionError
from mixcheck.testing import check_model_port

N = 24
_UNKNOWN = "ignore:The distribution of y is not known"


@dataclass
class _Variable:
    """As much of an xarray array as is asked for."""

    values: np.ndarray
    dims: tuple[str, ...]
    coords: dict = field(default_factory=dict)

    @property
    def shape(self):
        return self.values.shape

    def transpose(self, *dims):
        order = [self.dims.index(axis) for axis in dims]
        return _Variable(self.values.transpose(order), dims, self.coords)

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.values, dtype=dtype)


def _rng():
    return np.random.default_rng(3)


def _parts(draws=("chain", "draw", "obs"), name="y"):
    rng = _rng()
    coords = {"obs": _Variable(np.arange(N), ("obs",))}
    shape = {"chain": 2, "draw": 60, "obs": N}
    sampled = rng.poisson(3.0, [shape[axis] for axis in draws])
    return {
        "posterior_predictive": {name: _Variable(sampled, draws)},
        "observed_data": {name: _Variable(rng.poisson(3.0, N), ("obs",), coords)},
        "constant_data": {
            "x": _Variable(rng.normal(size=N), ("obs",)),
            "knots": _Variable(np.zeros(4), ("knot",)),
        },
    }


def _stored(parts):
    return {name: SimpleNamespace(data_vars=variables) for name, variables in parts.items()}


@pytest.mark.filterwarnings(_UNKNOWN)
def test_the_response_is_found_by_its_name():
    """Draws of all chains, the observed response, coordinates and data as columns."""
    model = from_inference_data(_stored(_parts()))
    assert model.available == 120
    assert model.name == "y"
    assert list(model.frame.columns) == ["y", "obs", "x"]
    check_model_port(lambda: from_inference_data(_stored(_parts())))


def test_draws_alone_are_never_taken_without_a_word():
    """They are not calibrated for the data that the parameters were found from."""
    with pytest.warns(DataWarning, match=r"no parameter of it .* not calibrated: .* Give the par"):
        from_inference_data(_stored(_parts()))


@pytest.mark.filterwarnings(_UNKNOWN)
def test_axes_are_stacked_by_their_names():
    """Wherever chains, draws and observations stand, a draw is one data set."""
    model = from_inference_data(_stored(_parts(("obs", "chain", "draw"))))
    parts = _parts(("obs", "chain", "draw"))
    expected = parts["posterior_predictive"]["y"].values.reshape(N, 120).T
    np.testing.assert_array_equal(model.pool[1:], expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: p.pop("posterior_predictive"), "sample_posterior_predictive"),
        (lambda p: p.pop("observed_data"), r"from_draws\(observed, idata\)"),
        (
            lambda p: p["observed_data"].update(z=p["observed_data"].pop("y")),
            "must share one response, and share none",
        ),
        (
            lambda p: [p[g].update(z=p[g]["y"]) for g in ("observed_data", "posterior_predictive")],
            "share y, z",
        ),
        (
            lambda p: [
                p[g].update({"censored(y, s)": p[g].pop("y")})
                for g in ("observed_data", "posterior_predictive")
            ],
            r"censored\(y, s\) of bambi is censored where it was observed",
        ),
        (
            lambda p: p["posterior_predictive"].update(
                y=_Variable(np.zeros((2, 60, 5)), ("chain", "draw", "obs"))
            ),
            "draw for the rows that were observed",
        ),
    ],
)
def test_what_is_missing_is_told(change, message):
    """One sentence on what lacks and what to write."""
    parts = _parts()
    change(parts)
    with pytest.raises(DataError, match=message):
        from_inference_data(_stored(parts))


@pytest.mark.parametrize("given", [None, 1, np.zeros((3, 4))])
def test_what_is_no_inference_data(given):
    """Other draws have another door."""
    with pytest.raises(OptionError, match=r"must be an InferenceData .* mixcheck\.from_draws"):
        from_inference_data(given)
