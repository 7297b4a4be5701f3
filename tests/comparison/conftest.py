"""Fits that several tests of the comparison share, and a model that is only its likelihood."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.port import ConvergenceFacts, DataRows

N = 12
X = np.column_stack([np.ones(N), np.arange(N, dtype=float)])


@dataclass(frozen=True, eq=False)
class Known:
    """A comparable model whose facts are given."""

    llf: float = -10.0
    n_parameters: int = 3
    nobs: int = N
    data_digest: dict = field(
        default_factory=lambda: dict.fromkeys(("rows", "response", "weights", "offset"), "same")
    )
    fixed_matrices: dict = field(default_factory=lambda: {"mean": X})
    random_terms: dict = field(default_factory=lambda: {"(1 | g)": ("g", np.ones((N, 1)))})
    description: dict = field(
        default_factory=lambda: {"formula": "y ~ x + (1 | g)", "family": "poisson", "link": "log"}
    )


@dataclass(frozen=True, eq=False)
class Traced(Known):
    """A model that knows its rows, numbered here, and what its likelihood is."""

    likelihood_kind: str = "full"
    family_limits: tuple = ()
    whole_families: tuple = ()

    @property
    def data_rows(self) -> DataRows:
        """Rows that hold their number."""
        frame = pd.DataFrame({"y": np.arange(N)})
        nothing = dict.fromkeys(self.fixed_matrices, np.zeros(N))
        return DataRows(frame, np.arange(N), None, None, nothing, {}, ("y",), ())


@dataclass(frozen=True, eq=False)
class Unconverged(Known):
    """A model whose optimiser stopped early."""

    @property
    def convergence(self) -> ConvergenceFacts:
        """Not there."""
        return ConvergenceFacts(False, 1.0, 1.0, 10, (), ("The gradient is large.",))


@cache
def fit(dataset: str, formula: str, family: str = "gaussian") -> mc.GLMM:
    """A fit, made once."""
    return mc.glmm(formula, mc.datasets.load(dataset), family=family)


@pytest.fixture(scope="session")
def days():
    """Sleep study: no slope, and random intercepts or random slopes."""
    return {
        "constant": fit("sleepstudy", "Reaction ~ 1 + (Days | Subject)"),
        "intercept": fit("sleepstudy", "Reaction ~ Days + (1 | Subject)"),
        "uncorrelated": fit("sleepstudy", "Reaction ~ Days + (Days || Subject)"),
        "slope": fit("sleepstudy", "Reaction ~ Days + (Days | Subject)"),
    }


@pytest.fixture(scope="session")
def ticks():
    """Grouse ticks by brood, without and with the altitude."""
    return {
        "year": fit("grouseticks", "TICKS ~ YEAR + (1 | BROOD)", "poisson"),
        "altitude": fit("grouseticks", "TICKS ~ YEAR + cHEIGHT + (1 | BROOD)", "poisson"),
        "location": fit("grouseticks", "TICKS ~ YEAR + (1 | LOCATION)", "poisson"),
    }


@pytest.fixture(scope="session")
def growth():
    """Orthodont: all models of age and sex that keep main effects with their interaction."""
    fixed = ("age * Sex", "age + Sex", "age", "Sex", "1")
    return {part: fit("Orthodont", f"distance ~ {part} + (1 | Subject)") for part in fixed}
