"""BinomialBayesMixedGLM and PoissonBayesMixedGLM of statsmodels, live, on the recipes of its tests.

Its `fit_map` maximises the posterior density of coefficients, log deviations and random effects
together, where a deviation near zero has a pole: deviations collapse. Its `fit_vb` takes all of
them for independent and normal. Both have normal priors. Ours are maximum likelihood estimates by
quadrature, or by Laplace's approximation where effects are crossed: other quantities.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

import mixcheck as mc
from validation.published.frame import Case, Number, Source, Tables, Values

SYSTEM = "statsmodels"
PINNED = Source(
    "statsmodels, commit 049fb91", "statsmodels/genmod/tests/test_bayes_mixed_glm.py", "read"
)
# Its own tests allow 1e-4 plus 1e-4 of the value; versions of its optimiser move the fourth digit.
LIVE = 2e-3


@dataclass(frozen=True)
class Recipe:
    """Ten rows of each of ten levels, with another factor of ten levels crossed or none.

    `prior` is the deviation of the prior of coefficients; `seed` that of statsmodels' searches.
    """

    family: str
    beta: tuple[float, ...]
    sds: tuple[float, ...]
    seed: int
    prior: float = 0.5

    def draw(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Response, fixed effects, indicators of all levels, and the factor of each indicator."""
        k, rs = 10, np.random.RandomState(3799)
        Z = np.kron(np.eye(k), np.ones((k, 1)))
        factor = np.zeros(k, dtype=int)
        if len(self.sds) == 2:
            Z = np.hstack([Z, np.kron(np.ones((k, 1)), np.eye(k))])
            factor = np.repeat([0, 1], k)
        X = rs.normal(size=(k * k, len(self.beta)))
        effects = self.sds[0] * rs.normal(size=Z.shape[1])
        if len(self.sds) == 2:
            effects[k:] *= self.sds[1] / self.sds[0]
        eta = X @ np.array(self.beta) + Z @ effects
        if self.family == "poisson":
            return rs.poisson(np.exp(eta)), X, Z, factor
        y = 1 * (rs.uniform(size=k * k) < 1 / (1 + np.exp(-eta)))
        return y, X, Z, factor

    def theirs(self) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients and log deviations by `fit_map`, and by `fit_vb` from there on."""
        from statsmodels.genmod.bayes_mixed_glm import BinomialBayesMixedGLM, PoissonBayesMixedGLM

        y, X, Z, factor = self.draw()
        kind = PoissonBayesMixedGLM if self.family == "poisson" else BinomialBayesMixedGLM
        model = kind(y, X, Z, factor, vcp_p=0.5, fe_p=self.prior)
        # Both searches begin at random places: of a generator, or before 0.15 of the global one.
        np.random.seed(self.seed)  # noqa: NPY002
        takes = "rng" in inspect.signature(model.fit_map).parameters
        rng = {"rng": np.random.RandomState(self.seed)} if takes else {}
        posterior = model.fit_map(**rng)
        variational = model.fit_vb(mean=posterior.params, **rng)
        size = len(self.beta) + len(self.sds)
        return np.asarray(posterior.params[:size]), np.asarray(variational.params[:size])

    def ours(self) -> Values:
        """Maximum likelihood."""
        y, X, Z, factor = self.draw()
        data = pd.DataFrame({"y": y, **{f"x{i + 1}": X[:, i] for i in range(X.shape[1])}})
        bars = []
        for k in range(len(self.sds)):
            data[f"g{k + 1}"] = [f"l{level}" for level in Z[:, factor == k].argmax(axis=1)]
            bars.append(f"(1 | g{k + 1})")
        formula = " + ".join(["y ~ 0", *(f"x{i + 1}" for i in range(X.shape[1])), *bars])
        options: dict[str, Any] = {"method": "agq", "nodes": 25} if len(bars) == 1 else {}
        fit = mc.glmm(formula, data, family=self.family, **options)
        values = {f"x{i + 1}": float(fit.params[f"x{i + 1}"]) for i in range(X.shape[1])}
        table = fit.variance_components.set_index("group")["sd"]
        return values | {f"sd g{k + 1}": float(table[f"g{k + 1}"]) for k in range(len(bars))}


def _names(recipe: Recipe) -> list[str]:
    names = [f"x{i + 1}" for i in range(len(recipe.beta))]
    return names + [f"sd g{k + 1}" for k in range(len(recipe.sds))]


def _numbers(
    recipe: Recipe, pinned: Mapping[str, tuple[float, ...]], truth: tuple[float, ...]
) -> tuple[Number, ...]:
    numbers = []
    for method, values in pinned.items():
        for i, (name, value) in enumerate(zip(_names(recipe), values, strict=True)):
            shown = math.exp(value) if name.startswith("sd") else value
            numbers.append(
                Number(
                    f"{name}, {method} (truth {truth[i]:g})",
                    shown,
                    0.0,
                    "not judged",
                    another=True,
                )
            )
    return tuple(numbers)


def _case(name: str, recipe: Recipe, pinned: Mapping[str, tuple[float, ...]]) -> Case:
    truth = (*recipe.beta, *recipe.sds)

    def ours(tables: Tables) -> Values:
        live = dict(zip(pinned, recipe.theirs(), strict=True))
        for method, values in pinned.items():
            if not np.allclose(live[method], values, rtol=LIVE, atol=LIVE):
                raise LookupError(f"{name}: {method} gives {live[method]}, its tests {values}")
        estimates = recipe.ours()
        return {
            f"{q}, {method} (truth {truth[i]:g})": estimates[q]
            for method in pinned
            for i, q in enumerate(_names(recipe))
        }

    kind = "maximum likelihood by " + (
        "quadrature" if len(recipe.sds) == 1 else "Laplace's approximation"
    )
    return Case(
        SYSTEM,
        name,
        f"100 rows, {len(recipe.sds)} factor{'s' * (len(recipe.sds) - 1)} of 10 levels, "
        f"{recipe.family}",
        f"ours {kind}; theirs posterior modes (MAP) and means (VB)",
        PINNED,
        _numbers(recipe, pinned, truth),
        ours,
        slow=True,
        note=(
            "Run live, statsmodels gives the pinned values. MAP maximises over random effects and "
            "deviations together, which draws deviations towards zero; VB takes all parameters for "
            f"independent; both have normal priors, with a deviation of {recipe.prior:g} for "
            "coefficients and of 0.5 for log deviations."
        ),
    )


CASES = (
    _case(
        "logistic, one factor without effect",
        Recipe("binomial", (1.0, -1.0), (0.0,), 32831312),
        {
            "MAP": (0.75330405, -0.71643228, -2.49091288),
            "VB": (0.79338836, -0.7599833, -0.64149356),
        },
    ),
    _case(
        "Poisson, one factor",
        Recipe("poisson", (0.1, -0.1), (1.0,), 3237821, prior=2.0),
        {
            "MAP": (-0.07233493, -0.06706505, -0.47159649),
            "VB": (-0.07088814, -0.06373107, -0.22770786),
        },
    ),
    _case(
        "logistic, two crossed factors",
        Recipe("binomial", (-0.5,), (1.0, 2.0), 2378219),
        {
            "MAP": (-5.43073978e-01, -2.46197518, -2.36582801),
            "VB": (-0.70834417, -0.3571011, 0.19126823),
        },
    ),
    _case(
        "Poisson, two crossed factors",
        Recipe("poisson", (-0.5,), (1.0, 0.5), 32383291),
        {
            "MAP": (-0.54855281, 0.10458834, -0.68777741),
            "VB": (-0.54691502, 0.22297158, -0.52673802),
        },
    ),
)
