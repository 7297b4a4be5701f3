"""Saved fits: what comes back is what was saved, and what cannot be saved says so."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.codec.frames import frame_from_arrays, frame_to_arrays
from mixcheck.errors import ConvergenceError, DataError, FamilyError, OptionError
from mixcheck.families import Poisson
from mixcheck.fitting.results.saved import FILE_VERSION


def table(rng: np.random.Generator) -> pd.DataFrame:
    """Counts, proportions and measurements in groups, with labels that are no positions."""
    n = 120
    data = pd.DataFrame(
        {
            "g": pd.Categorical(np.repeat([f"é{k}" for k in range(12)], 10)),
            "f": np.tile(["b", "a", "c"], 40),
            "x": rng.normal(size=n),
            "w": rng.integers(1, 4, n),
            "v": rng.uniform(0.5, 2.0, n),
        },
        index=[f"row {k}" for k in range(n)][::-1],
    )
    u = 0.6 * rng.normal(size=12)[np.repeat(np.arange(12), 10)]
    data["k"] = rng.poisson(np.exp(0.5 + 0.3 * data["x"] + u))
    data["y"] = 2.0 + data["x"] + u + rng.normal(size=n)
    data["z"] = np.where(rng.random(n) < 0.3, 0, data["k"])
    data["s"] = rng.binomial(8, 1.0 / (1.0 + np.exp(-data["x"] - u)))
    data["m"] = 8
    data["grade"] = pd.Categorical(
        np.array(["low", "mid", "top"])[np.clip(np.rint(data["y"]).astype(int) - 1, 0, 2)],
        ["low", "mid", "top"],
        ordered=True,
    )
    return data


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    """One table for all."""
    return table(np.random.default_rng(3))


KINSHIP = pd.DataFrame(np.eye(12) + 0.2, *[[f"é{k}" for k in range(12)]] * 2)

CALLS = {
    "gaussian": ("y ~ poly(x, 2) + f + (x | g)", {}),
    "reml": ("y ~ x + (1 | g)", {"reml": True}),
    "precision": ("y ~ x + (1 | g)", {"precision": "v"}),
    "dispersion": ("y ~ x + (1 | g)", {"dispersion": "~ x"}),
    "weights": ("k ~ x + (1 | g)", {"family": "poisson", "weights": "w", "offset": "v"}),
    "inflated": ("z ~ x + (1 | g)", {"family": "poisson", "zi": "~ 1"}),
    "trials": ("s / m ~ x + (1 | g)", {"family": mc.families.Binomial(link="probit")}),
    "quadrature": ("s / m ~ x + (1 | g)", {"family": "binomial", "method": "agq", "nodes": 9}),
    "known degrees": ("y ~ x + (1 | g)", {"family": mc.families.StudentT(df=5)}),
    "ordinal": ("grade ~ x + (1 | g)", {"family": "ordinal"}),
    "priors": (
        "k ~ x + (1 | g)",
        {"family": "poisson", "priors": {"x": mc.priors.normal(0.0, 1.0)}},
    ),
    "related": ("y ~ x + propto(1 | g, K)", {"context": {"K": KINSHIP}}),
    "no groups": ("k ~ x + f", {"family": "nbinom2"}),
}


@pytest.mark.filterwarnings("ignore::mixcheck.errors.MixcheckWarning")
@pytest.mark.parametrize("name", sorted(CALLS))
def test_a_saved_fit_comes_back(name, data, tmp_path):
    """Same estimates, errors, rows, notes and summary, to the last digit on one machine."""
    formula, options = CALLS[name]
    fit = mc.glmm(formula, data, **options)
    fit.save(tmp_path / "a fit")
    again = mc.load(tmp_path / "a fit")
    assert again.llf == fit.llf
    pd.testing.assert_series_equal(again.params, fit.params, check_exact=True)
    pd.testing.assert_series_equal(again.bse, fit.bse, check_exact=True)
    pd.testing.assert_frame_equal(again.frame, fit.frame, check_exact=True)
    assert str(again.summary()) == str(fit.summary())
    assert again.notes == fit.notes
    pd.testing.assert_series_equal(again.predict(data.head(5)), fit.predict(data.head(5)))


def test_vectors_of_rows_and_rows_left_out(data, tmp_path):
    """Arrays given beside the data, of which a row is missing; the count of such rows is kept."""
    missing = data.copy()
    missing.loc[missing.index[7], "x"] = np.nan
    weights, offset = data["w"].to_numpy(), 0.1 * data["v"].to_numpy()
    with pytest.warns(mc.DataWarning, match="1 of 120"):
        fit = mc.glmm("k ~ x + (1 | g)", missing, family="poisson", weights=weights, offset=offset)
    fit.save(tmp_path / "fit")
    again = mc.load(tmp_path / "fit")
    assert (again.llf, again.nobs, again.notes) == (fit.llf, 119, fit.notes)
    np.testing.assert_array_equal(again.fittedvalues, fit.fittedvalues)


def test_a_refit_comes_back(data, tmp_path):
    """Its response is not that of the data, and is kept."""
    fit = mc.glmm("k ~ x + (1 | g)", data, family="poisson").refit(data["k"] + 1)
    fit.save(tmp_path / "fit")
    again = mc.load(tmp_path / "fit")
    assert again.llf == pytest.approx(fit.llf, abs=1e-8)
    np.testing.assert_allclose(again.params, fit.params, atol=1e-6)
    assert again.llf != mc.glmm("k ~ x + (1 | g)", data, family="poisson").llf


def test_the_file_is_smaller_than_the_design(tmp_path):
    """A hundred thousand rows of three numbers."""
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"g": rng.integers(0, 300, 20_000), "x": rng.normal(size=20_000)})
    data["y"] = rng.poisson(np.exp(0.3 * data["x"]))
    fit = mc.glmm("y ~ x + (1 | g)", data, family="poisson")
    fit.save(tmp_path / "fit")
    design = fit.model_matrix().to_numpy().nbytes + data.to_numpy().nbytes
    assert (tmp_path / "fit").stat().st_size < 0.5 * design


def test_columns_of_every_kind():
    """Types, order of levels, missing values and labels come back as they were."""
    frame = pd.DataFrame(
        {
            "int8": np.array([1, 2, 3], dtype=np.int8),
            "float32": np.array([0.5, np.nan, np.inf], dtype=np.float32),
            "bool": [True, False, True],
            "when": pd.to_datetime(["2020-01-01", None, "2021-05-05"]),
            "zone": pd.to_datetime(["2020-01-01", None, "2021-05-05"]).tz_localize("Europe/Paris"),
            "wait": pd.to_timedelta([1, 2, 3], unit="s"),
            "words": ["ü", None, "a b"],
            "mixed": pd.Series([1, "1", None], dtype=object),
            "whole": pd.Series([1, None, 3], dtype="Int64"),
            "levels": pd.Categorical(["b", None, "a"], ["c", "b", "a"], ordered=True),
            "numbers": pd.Categorical([3, 1, 3]),
            7: [1.0, 2.0, 3.0],
        }
    )
    for index in (
        pd.RangeIndex(5, 2, -1, name="n"),
        pd.Index(["x", "y", "z"], name="label"),
        pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)], names=["one", None]),
    ):
        frame.index = index
        content, arrays = frame_to_arrays(frame, "f")
        json.dumps(content)
        again = frame_from_arrays(content, arrays, "f")
        pd.testing.assert_frame_equal(again, frame, check_exact=True)


class Odd(Poisson):
    """A family of somebody else."""


@pytest.mark.parametrize(
    ("change", "options", "error", "said"),
    [
        ({"l": [[1]] * 120}, {}, DataError, r"column 'l' has values such as \[1\]"),
        ({}, {"context": {"twice": np.sqrt}}, DataError, r"context\['twice'\] is a ufunc"),
        ({}, {"family": Odd}, FamilyError, "Odd is none of the library's"),
    ],
)
def test_what_no_file_holds(data, tmp_path, change, options, error, said):
    """Told when it is saved; and no file is left."""
    fit = mc.glmm("k ~ x + (1 | g)", data.assign(**change), **({"family": "poisson"} | options))
    with pytest.raises(error, match=said):
        fit.save(tmp_path / "fit")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OptionError, match="path"):
        mc.glmm("k ~ x", data, family="poisson").save(3)


def test_what_is_no_file_of_a_fit(data, tmp_path):
    """Text, other archives, files with code in them, later versions, other numbers."""
    path = tmp_path / "fit"
    for content in (b"", b"text", b"PK\x03\x04nothing"):
        path.write_bytes(content)
        with pytest.raises(DataError, match="is no file of a fit"):
            mc.load(path)
    with pytest.raises(DataError, match="cannot be read"):
        mc.load(tmp_path / "none")
    np.savez(path.with_suffix(".npz"), manifest=np.array([{"kind": "mixcheck fit"}], dtype=object))
    with pytest.raises(DataError, match="is no file of a fit"):
        mc.load(path.with_suffix(".npz"))
    fit = mc.glmm("k ~ x + (1 | g)", data, family="poisson")
    fit.save(path)
    with np.load(path) as held:
        arrays = {name: held[name] for name in held.files}
    told = json.loads(arrays["manifest"].tobytes())

    def rewrite(**changes):
        text = json.dumps(told | changes).encode()
        with path.open("wb") as file:
            np.savez(file, **(arrays | {"manifest": np.frombuffer(text, dtype=np.uint8)}))

    rewrite(version=FILE_VERSION + 1)
    with pytest.raises(DataError, match="update mixcheck"):
        mc.load(path)
    rewrite(llf=told["llf"] + 1.0)
    with pytest.raises(ConvergenceError, match="was saved with a log-likelihood of"):
        mc.load(path)
    for damage in ({"call": {}}, {"frame": 3}, {"notes": None}, {"llf": "x"}, {"call": [1]}):
        rewrite(**damage)
        with pytest.raises(DataError, match="is damaged: save the fit again"):
            mc.load(path)
    rewrite(call=told["call"] | {"formula": "k ~ __import__('os') + (1 | g)"})
    with pytest.raises(mc.UnknownColumnError, match="`__import__` is no column"):
        mc.load(path)
