"""Draws in the layouts of other programs."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mixcheck.adapters.layout import finite_numbers, stack_draws
from mixcheck.errors import DataError, OptionError

DRAWS = np.random.default_rng(1).poisson(3.0, (4, 25, 7))
"""Four chains of 25 draws of seven observations."""


@dataclass
class Labelled:
    """As much of an xarray array as is asked for."""

    values: np.ndarray
    dims: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes."""
        return self.values.shape

    def transpose(self, *dims: str) -> Labelled:
        """The axes in another order."""
        return Labelled(np.transpose(self.values, [self.dims.index(d) for d in dims]), dims)

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.values


@dataclass
class Dataset:
    """As much of an xarray dataset."""

    data_vars: dict[str, Labelled]

    def __getitem__(self, name: str) -> Labelled:
        return self.data_vars[name]


class Inference(dict):  # type: ignore[type-arg]
    """As much of an InferenceData, which is a mapping whose groups are attributes."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def groups(self) -> list[str]:
        """Names of the groups."""
        return list(self)


Y = Labelled(DRAWS, ("chain", "draw", "y_dim_0"))
MU = Labelled(DRAWS[:, :, 0], ("chain", "draw"))


@given(st.permutations(range(3)), st.integers(2, 5), st.integers(6, 9))
@settings(deadline=None, derandomize=True, max_examples=30)
def test_any_order_of_axes(order: list[int], chains: int, n: int) -> None:
    """Every layout of chains, draws and observations holds the same draws."""
    draws = np.random.default_rng(n).poisson(3.0, (chains, 10, n))
    found = stack_draws(np.transpose(draws, order), n, None)
    assert found.shape == (chains * 10, n)
    wanted = draws.reshape(-1, n)
    assert sorted(map(tuple, found.tolist())) == sorted(map(tuple, wanted.tolist()))


@pytest.mark.parametrize(
    "given",
    [
        Y,
        Y.transpose("y_dim_0", "draw", "chain").transpose("chain", "draw", "y_dim_0"),
        Labelled(DRAWS.reshape(100, 7).T, ("y_dim_0", "sample")),
        Dataset({"y": Y, "mu": MU}),
        {"y": DRAWS, "mu": DRAWS[:, :, 0]},
        Inference(posterior=Dataset({"mu": MU}), posterior_predictive=Dataset({"y": Y, "mu": MU})),
    ],
)
def test_labelled_draws(given: Any) -> None:
    """Arrays with named axes, data sets and groups are unpacked by their names."""
    np.testing.assert_array_equal(stack_draws(given, 7, None), DRAWS.reshape(100, 7))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (Inference(posterior=Dataset({"mu": MU})), "no group posterior_predictive"),
        (Inference(posterior_predictive=Dataset({"mu": MU})), r"no variable .* 7 observations"),
        (Dataset({"y": Y, "z": Y}), r"write draws=draws\['y'\] or another of y, z"),
        (Labelled(DRAWS[:, :, :3], ("chain", "draw", "i")), "must hold the 7 observations"),
        (DRAWS[:, :7], r"several axes have the 7 observations; write draws.reshape\(-1, 7\)"),
        (DRAWS[:, :, :6], "no axis has the 7 observations"),
        (np.zeros((14, 30)), "successes and failures both drawn"),
        ([[1], [1, 2]], "different lengths"),
    ],
)
def test_other_layouts(given: Any, said: str) -> None:
    """What cannot be told apart is refused with what to write."""
    with pytest.raises(DataError, match=said):
        stack_draws(given, 7, None)


def test_tables_by_label() -> None:
    """A table whose rows are named as the observations is put in their order."""
    index = pd.Index(list("abcdefg"))
    table = pd.DataFrame(DRAWS[0].T, index=index)
    order = list("gfedcba")
    found = stack_draws(table.loc[order], 7, None, index)
    np.testing.assert_array_equal(found, DRAWS[0])
    np.testing.assert_array_equal(stack_draws(table.loc[order].T, 7, None, index), DRAWS[0])
    made_up = table.T.set_axis([f"V{i}" for i in range(7)], axis=1)
    np.testing.assert_array_equal(stack_draws(made_up, 7, None, index), DRAWS[0])
    with pytest.raises(DataError, match="draws has an index that is not that of observed"):
        stack_draws(table.set_axis(list("hijklmn")), 7, None, index)
    plain = table.reset_index(drop=True)
    with pytest.raises(DataError, match=r"write draws.to_numpy\(\)"):
        stack_draws(plain, 7, None, index)
    np.testing.assert_array_equal(stack_draws(plain.to_numpy(), 7, None, index), DRAWS[0])
    np.testing.assert_array_equal(stack_draws(plain, 7, None, pd.RangeIndex(7)), DRAWS[0])
    for either in (plain, plain.T):
        with pytest.raises(DataError, match=r"another order than 0 to 6.*draws.to_numpy\(\)"):
            stack_draws(either, 7, None, pd.Index([6, 5, 4, 3, 2, 1, 0]))


@pytest.mark.parametrize(
    "values",
    [
        np.array([1 + 1j]),
        np.array(["2020-01-01"], dtype="M8[D]"),
        np.ma.masked_array([1.0, 2.0], [True, False]),
        np.array(["a"]),
        np.array([np.nan]),
        np.array([1e200]),
    ],
)
def test_no_finite_numbers(values: Any) -> None:
    """Complex numbers, dates, masked values, words, NaN and what overflows are refused."""
    with pytest.raises(DataError, match=r"draws (must hold numbers|holds)"):
        finite_numbers("draws", values)


def test_axis_names() -> None:
    """An unknown word for the axis is refused."""
    with pytest.raises(OptionError, match="draws_by='row' is unknown"):
        stack_draws(np.zeros((3, 7)), 7, "row")


@pytest.mark.parametrize("dtype", ["float16", "float32", "longdouble"])
@pytest.mark.parametrize("shape", [(), (5,), (2, 3)])
def test_short_floats(dtype: str, shape: tuple[int, ...]) -> None:
    """Numbers of fewer bits are compared with the limit in those of Python, without a warning."""
    values = np.full(shape, 0.5, dtype=dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert finite_numbers("fitted", values) is values
