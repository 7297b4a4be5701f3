"""What is too large is refused before it is tried, with its size."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.design import build_design, parse_formula
from mixcheck.fitting.estimation import sizes
from mixcheck.fitting.likelihood.arrangement import arrange
from mixcheck.fitting.methods import read_method


def _crossed(levels: int, rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    data = pd.DataFrame({name: rng.integers(0, levels, rows) for name in ("g", "h")})
    return data.assign(y=rng.poisson(1.0, rows), r=rng.normal(size=rows))


@pytest.mark.parametrize(
    ("response", "family", "told"),
    [("y", "poisson", {"method": "profiled"}), ("r", "gaussian", {"reml": True})],
)
def test_crossed_factors_beyond_the_memory(monkeypatch, response, family, told):
    """Twelve thousand crossed levels a side need 10 GB: with 4 GB the sentence comes at once.

    By these methods iterations do not take the place of the matrix.
    """
    monkeypatch.setattr(sizes, "available_memory", lambda: 4e9)
    started = time.process_time()
    with pytest.raises(mc.DesignError, match=r"'h' are crossed .* 10\.\d GB of memory, where 4\.0"):
        mc.glmm(
            f"{response} ~ 1 + (1 | g) + (1 | h)", _crossed(12_000, 60_000), family=family, **told
        )
    assert time.process_time() - started < 10


def test_crossed_factors_beyond_all_patience(monkeypatch):
    """With memory enough the hours of work are named."""
    monkeypatch.setattr(sizes, "available_memory", lambda: None)
    with pytest.raises(mc.DesignError, match=r"GB of memory and some \d+ hours of work"):
        mc.glmm(
            "y ~ 1 + (1 | g) + (1 | h)",
            _crossed(40_000, 400_000),
            family="poisson",
            method="profiled",
        )


@pytest.mark.filterwarnings("ignore::mixcheck.errors.BoundaryWarning")
def test_nested_factors_are_not_crossed(monkeypatch):
    """Many nested levels need no dense matrix, and are fitted whatever the memory."""
    monkeypatch.setattr(sizes, "available_memory", lambda: 1.0)
    data = _crossed(40, 4000)
    data["g"] = np.arange(4000) // 4
    data["h"] = data["g"] // 5
    assert mc.glmm("y ~ 1 + (1 | h / g)", data, family="poisson").nobs == 4000


LIMITED = """
import resource
from mixcheck.fitting.estimation.sizes import available_memory
free = available_memory()
resource.setrlimit(resource.RLIMIT_AS, (2 * 10**9, 2 * 10**9))
print(available_memory() < 2e9, free is None or free > 0)
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="the limit is read from /proc")
def test_the_limit_of_the_address_space_counts():
    """What the process may still take is no more than its own limit leaves."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED], capture_output=True, text=True, check=True
    )
    assert done.stdout == "True True\n"


def test_draws_that_have_no_room() -> None:
    """So many simulated responses as no memory holds are refused at once."""
    x = np.arange(1.0, 101.0)
    fit = mc.glmm("k ~ x", {"k": np.round(x**0.5), "x": x}, family="poisson")
    with pytest.raises(mc.OptionError, match=r"draws=100000000 .* GB of memory"):
        fit.simulate(10**8)
    with pytest.raises(mc.OptionError, match="draws must be a whole number"):
        fit.simulate(10**400)


def test_levels_that_meet_few_others(monkeypatch):
    """What counts is the matrix that is left, not all levels of the smaller factor."""
    rng = np.random.default_rng(3)
    g, h = rng.integers(0, 6000, 9000), rng.integers(0, 5000, 9000)
    data = pd.DataFrame({"g": g, "h": h, "y": rng.poisson(1.0, g.size)})
    formula = parse_formula("y ~ 1 + (1 | g) + (1 | h)")
    design = build_design(formula, data, ratio_is_trials=False)
    problem = arrange(design, mc.families.Poisson())
    left = problem.latent.plan.core.size
    assert left < 0.2 * problem.latent.schur_size
    monkeypatch.setattr(sizes, "available_memory", lambda: 8.0 * 10 * left**2)
    method = read_method("profiled")
    assert sizes.fit_to_size(problem, method) is problem
    monkeypatch.setattr(sizes, "available_memory", lambda: 8.0 * 8 * left**2)
    with pytest.raises(mc.DesignError, match="GB of memory"):
        sizes.fit_to_size(problem, method)
