"""Small layouts of random effects, and everything the fitter computes written densely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mixcheck as mc
from mixcheck.design import Design, Diagonal, build_design, parse_formula
from mixcheck.families import Family
from mixcheck.fitting.latent.layout import Latent
from mixcheck.fitting.likelihood.arrangement import arrange
from mixcheck.fitting.likelihood.problem import Problem

LAYOUTS: dict[str, tuple[str, str | None]] = {
    "one": ("y ~ x + (1 | g)", None),
    "vector": ("y ~ x + (1 + x | g)", None),
    "three_effects": ("y ~ x + (1 + x + w | g)", None),
    "diagonal": ("y ~ x + (x || g)", None),
    "two_terms": ("y ~ x + (1 | g) + (0 + x | g)", None),
    "per_row": ("y ~ x + (1 | g) + (1 | row)", None),
    "nested": ("y ~ x + (1 | g / c)", None),
    "nested_vector": ("y ~ x + (1 + x | g / c)", None),
    "three_nested": ("y ~ x + (1 | s / g / c)", None),
    "three_nested_vector": ("y ~ x + (1 | s / c) + (1 + x | s:g) + (0 + w | s:g:c)", None),
    "crossed": ("y ~ x + (1 | g) + (1 | h)", None),
    "crossed_vector": ("y ~ x + (1 + x | g) + (1 + w | h)", None),
    "three_crossed": ("y ~ x + (1 | g) + (1 | h) + (0 + x | k)", None),
    "nested_crossed": ("y ~ x + (1 | s / g / c) + (1 + x | h)", None),
    "nested_two_crossed": ("y ~ x + (1 + x | g / c) + (1 | h) + (x || k)", None),
}
# Only a family with a dispersion can have these.
SEVERAL: dict[str, tuple[str, str | None]] = {
    "two_predictors": ("y ~ x + (1 + x | g)", "~ x + (1 | g)"),
    "two_predictors_nested": ("y ~ x + (1 | g / c)", "~ 1 + (1 + w | g)"),
    "two_predictors_crossed": ("y ~ x + (1 | g) + (x || h)", "~ x + (1 | h) + (1 | k)"),
}


def make_table(n: int, seed: int) -> pd.DataFrame:
    """Covariates and factors: c within g within s; h and k crossed with them."""
    rng = np.random.default_rng(seed)
    g = np.concatenate([np.arange(6), rng.integers(0, 6, n - 6)])
    h, k = rng.integers(0, 4, n), rng.integers(0, 3, n)
    h[:4], k[:3] = np.arange(4), np.arange(3)
    return pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "w": rng.uniform(-1.0, 1.0, n),
            "s": np.array(["p", "q"])[g % 2],
            "g": g,
            "c": rng.integers(0, 3, n),
            "h": h,
            "k": k,
            "row": np.arange(n),
        }
    )


def make_design(
    layout: str, frame: pd.DataFrame, y: np.ndarray, family: Family, **options: Any
) -> Design:
    """Design of one layout; binomial counts in y have the column m of trials."""
    formula, dispersion = {**LAYOUTS, **SEVERAL}[layout]
    if "dispersion" in family.predictors:
        dispersion = dispersion or "~ 1"
    if family.name == "binomial":
        formula = formula.replace("y ~", "y / m ~")
    return build_design(
        parse_formula(formula, dispersion=dispersion),
        frame.assign(y=y),
        ratio_is_trials=family.name == "binomial",
        **options,
    )


# ---- dense ---------------------------------------------------------------------------------


def dense_root(structure: str, q: int, theta: np.ndarray) -> np.ndarray:
    """Lower triangle by columns, or a diagonal."""
    if structure == "diag":
        return np.diag(theta)
    root = np.zeros((q, q))
    at = 0
    for column in range(q):
        for row in range(column, q):
            root[row, column] = theta[at]
            at += 1
    return root


def dense_maps(design: Design, theta: np.ndarray) -> list[np.ndarray]:
    """``M_k``: predictor k in all standardised random effects, rows in the design's order."""
    n = design.response.size
    columns: list[list[np.ndarray]] = [[] for _ in design.predictors]
    at = 0
    for k, part in enumerate(design.predictors):
        for block in part.random:
            q, m = block.Z.shape[1], len(block.levels)
            size = q if isinstance(block.covariance, Diagonal) else q * (q + 1) // 2
            root = dense_root(block.covariance.name, q, theta[at : at + size])
            at += size
            whole = np.zeros((n, m, q))
            whole[np.arange(n), block.codes] = block.Z @ root
            for j in range(len(design.predictors)):
                columns[j].append((whole if j == k else np.zeros_like(whole)).reshape(n, -1))
    assert at == theta.size
    return [np.column_stack(held) for held in columns]


@dataclass(frozen=True, eq=False)
class DenseMode:
    """Mode and deviance by dense linear algebra."""

    deviance: float
    u: np.ndarray
    H: np.ndarray
    maps: list[np.ndarray]
    eta: tuple[np.ndarray, ...]


def dense_hessian(maps: Sequence[np.ndarray], second: Any, weights: np.ndarray) -> np.ndarray:
    """``I + sum_ab M_a' W_ab M_b`` over ordered pairs."""
    H = np.eye(maps[0].shape[1])
    for (a, b), value in second.items():
        part = maps[a].T @ ((weights * value)[:, None] * maps[b])
        H += part if a == b else part + part.T
    return H


def dense_mode(
    design: Design, family: Family, psi: np.ndarray, hessian: str = "observed"
) -> DenseMode:
    """Laplace deviance at psi, every matrix dense, by damped Newton from zero."""
    data = family.prepare(design.response, design.size)
    n = design.response.size
    weights = np.ones(n) if design.weights is None else design.weights
    base, at = [], 0
    for part in design.predictors:
        p = part.X.shape[1]
        base.append(part.offset + part.X @ psi[at : at + p])
        at += p
    maps = dense_maps(design, psi[at:])
    u = np.zeros(maps[0].shape[1])

    def predict(u: np.ndarray) -> tuple[np.ndarray, ...]:
        return tuple(b + M @ u for b, M in zip(base, maps, strict=True))

    def energy(u: np.ndarray) -> float:
        value = 0.5 * u @ u - weights @ family.log_density(data, predict(u))
        return value if np.isfinite(value) else np.inf

    def observed(u: np.ndarray) -> np.ndarray:
        second = family.derivatives(data, predict(u), 2).second
        return dense_hessian(maps, {k: -v for k, v in second.items()}, weights)

    for _ in range(200):
        first = family.derivatives(data, predict(u), 2).first
        gradient = u - sum(M.T @ (weights * f) for M, f in zip(maps, first, strict=True))
        H = observed(u)
        if np.linalg.eigvalsh(H)[0] <= 0:
            H = dense_hessian(maps, family.expected(data, predict(u))[0], weights)
        step = -np.linalg.solve(H, gradient)
        if gradient @ -step < 1e-22:
            break
        length = 1.0
        while energy(u + length * step) > energy(u) + 1e-10 and length > 1e-9:
            length *= 0.5
        u = u + length * step
    H = observed(u)
    inner = H
    if hessian == "expected":
        inner = dense_hessian(maps, family.expected(data, predict(u))[0], weights)
    deviance = 2.0 * energy(u) + np.linalg.slogdet(inner)[1]
    return DenseMode(deviance, u, H, maps, predict(u))


def flatten(parts: list[np.ndarray]) -> np.ndarray:
    """All effects in one vector: by factor, effect, level."""
    return np.concatenate([p.ravel() for p in parts])


def split(latent: Latent, flat: np.ndarray) -> list[np.ndarray]:
    """The inverse of `flatten`."""
    ends = np.cumsum([f.q * f.m for f in latent.factors])[:-1]
    shapes = [f.shape for f in latent.factors]
    return [p.reshape(s) for p, s in zip(np.split(flat, ends), shapes, strict=True)]


def dense_system(
    problem: Problem, roots: list[np.ndarray], weights: dict[tuple[int, int], np.ndarray]
) -> np.ndarray:
    """``I + sum_ab M_a' W_ab M_b``, effects in the order of `flatten`."""
    latent = problem.latent
    maps = []
    for e in np.eye(latent.size):
        scaled = [root @ part for root, part in zip(roots, split(latent, e), strict=True)]
        held = latent.gather(scaled, len(problem.X))
        maps.append([np.zeros(problem.n) if h is None else h for h in held])
    M = np.array(maps)
    H = np.eye(latent.size)
    for (a, b), w in weights.items():
        part = np.einsum("in,n,jn->ij", M[:, a], w, M[:, b])
        H += part if a == b else part + part.T
    return H


# ---- cases -------------------------------------------------------------------------------

# Family, link, and where the mean's predictor lives: its centre and spread.
FAMILIES: dict[str, tuple[type[Family], str, float, float]] = {
    "gaussian-identity": (mc.families.Gaussian, "identity", 1.0, 0.5),
    "gaussian-log": (mc.families.Gaussian, "log", 0.5, 0.2),
    "binomial-logit": (mc.families.Binomial, "logit", 0.3, 0.5),
    "binomial-probit": (mc.families.Binomial, "probit", -0.2, 0.4),
    "binomial-cloglog": (mc.families.Binomial, "cloglog", -0.4, 0.4),
    "binomial-cauchit": (mc.families.Binomial, "cauchit", 0.2, 0.4),
    "binomial-log": (mc.families.Binomial, "log", -1.6, 0.1),
    "binomial-identity": (mc.families.Binomial, "identity", 0.5, 0.02),
    "poisson-log": (mc.families.Poisson, "log", 0.6, 0.4),
    "poisson-identity": (mc.families.Poisson, "identity", 6.0, 0.3),
    "poisson-sqrt": (mc.families.Poisson, "sqrt", 2.2, 0.15),
}


@dataclass(frozen=True, eq=False)
class Case:
    """A design, the fitter's arrangement of it, and parameters to look at."""

    family: Family
    design: Design
    problem: Problem
    psi: np.ndarray


def make_case(
    layout: str,
    family: str,
    seed: int,
    *,
    n: int = 36,
    weighted: bool = False,
    shifted: bool = False,
) -> Case:
    """Random data from a random parameter vector of one layout."""
    kind, link, centre, spread = FAMILIES[family]
    made = kind(link=link)
    rng = np.random.default_rng(seed)
    frame = make_table(n, seed).assign(m=rng.integers(1, 7, n))
    options: dict[str, Any] = {}
    if weighted:
        options["weights"] = rng.uniform(0.3, 2.0, n)
    if shifted:
        options["offset"] = rng.uniform(-0.5, 0.5, n) * spread
    draft = make_design(layout, frame, np.ones(n), made, **options)
    beta = [rng.normal(scale=0.3 * spread, size=p.X.shape[1]) for p in draft.predictors]
    beta[0][0] += centre
    n_theta = sum(b.covariance.n_theta for p in draft.predictors for b in p.random)
    theta = spread * (0.3 + 0.5 * rng.random(n_theta)) * rng.choice([-1.0, 1.0], n_theta)
    psi = np.concatenate([*beta, theta])
    maps = dense_maps(draft, theta)
    u = rng.normal(size=maps[0].shape[1])
    eta = tuple(
        p.offset + p.X @ b + M @ u for p, b, M in zip(draft.predictors, beta, maps, strict=True)
    )
    size = frame["m"].to_numpy(dtype=float) if made.name == "binomial" else None
    y = made.sample(eta, size, rng)
    design = make_design(layout, frame, y, made, **options)
    problem = arrange(design, made)
    # A layout of its own: one that was seen before knows what was chosen for it then.
    return Case(made, design, replace(problem, latent=replace(problem.latent)), psi)


@pytest.fixture(scope="session")
def small() -> SimpleNamespace:
    """Layouts, cases and their dense algebra."""
    return SimpleNamespace(
        layouts=tuple(LAYOUTS),
        several=tuple(SEVERAL),
        families=tuple(FAMILIES),
        case=make_case,
        mode=dense_mode,
        maps=dense_maps,
        hessian=dense_hessian,
        system=dense_system,
        flatten=flatten,
        split=split,
        table=make_table,
        design=make_design,
    )


# ---- linear mixed models -----------------------------------------------------------------


def dense_covariance(problem: Problem, psi: np.ndarray) -> np.ndarray:
    """Covariance of the responses, frequency weights dividing the residual variance, (n, n)."""
    variance = np.exp(2.0 * (psi[problem.beta_slices[1]][0] + problem.offsets[1]))
    if problem.weights is not None:
        variance = variance / problem.weights
    V = np.diag(variance)
    for term in problem.terms:
        factor = problem.latent.factors[term.factor]
        level = np.equal.outer(factor.sums.index, factor.sums.index)
        root = term.covariance.root(psi[problem.n_beta :][term.theta])
        columns = factor.columns[term.columns]
        Z = np.stack(
            [np.ones(problem.n) if c.covariate is None else c.covariate for c in columns], axis=1
        )
        V += (Z @ root @ root.T @ Z.T) * level
    return V


def dense_deviance(problem: Problem, psi: np.ndarray, *, restricted: bool = False) -> float:
    """Minus twice the log-likelihood at all parameters, rows of weight zero left out.

    A row of weight w is w equal rows: their mean, of which the residual variance is divided by
    w, and w - 1 contrasts that are all zero.
    """
    w = np.ones(problem.n) if problem.weights is None else problem.weights
    held = w > 0
    X = problem.X[0]
    log_sd = psi[problem.beta_slices[1]][0] + problem.offsets[1]
    with np.errstate(divide="ignore"):
        V = dense_covariance(problem, psi)[np.ix_(held, held)]
    residual = (problem.data.y - problem.offsets[0] - X @ psi[: X.shape[1]])[held]
    factor = np.linalg.cholesky(V)
    white = np.linalg.solve(factor, residual)
    out = 2.0 * np.log(np.diag(factor)).sum() + white @ white + held.sum() * np.log(2 * np.pi)
    contrasts = (w - 1.0) * (np.log(2 * np.pi) + 2.0 * log_sd) + np.log(np.where(held, w, 1.0))
    out += contrasts[held].sum()
    if restricted:
        whole = np.linalg.solve(factor, X[held])
        p = X.shape[1]
        out += np.linalg.slogdet(whole.T @ whole)[1] - p * np.log(2 * np.pi)
    return float(out)


def dense_information(
    problem: Problem, psi: np.ndarray, errors: np.ndarray, *, restricted: bool = False
) -> np.ndarray:
    """Hessian of the dense deviance by differences of the eighth order in standard errors."""
    weights = {1: 4 / 5, 2: -1 / 5, 3: 4 / 105, 4: -1 / 280}
    step = 0.06 * errors
    size = psi.size

    def slope(at: np.ndarray, j: int) -> float:
        total = 0.0
        for k, weight in weights.items():
            move = np.zeros(size)
            move[j] = k * step[j]
            ahead = dense_deviance(problem, at + move, restricted=restricted)
            behind = dense_deviance(problem, at - move, restricted=restricted)
            total += weight * (ahead - behind)
        return total / step[j]

    out = np.empty((size, size))
    for i in range(size):
        column = np.zeros(size)
        for k, weight in weights.items():
            move = np.zeros(size)
            move[i] = k * step[i]
            for j in range(size):
                column[j] += weight * (slope(psi + move, j) - slope(psi - move, j))
        out[i] = column / step[i]
    return 0.5 * (out + out.T)


@pytest.fixture(scope="session")
def linear() -> SimpleNamespace:
    """Dense normal densities of linear mixed models, and data for them."""
    return SimpleNamespace(
        layouts={name: formula for name, (formula, _) in LAYOUTS.items()},
        make_table=make_table,
        deviance=dense_deviance,
        information=dense_information,
    )
