"""Gold values of the Laplace log-likelihood and of scalar adaptive quadrature.

What it shows: the maximum of the Laplace (and, for one scalar term, Gauss-Hermite)
log-likelihood, every constant kept, from an implementation that shares nothing with
mixcheck: dense matrices, modes by Newton's method, and first derivatives by the
complex step, exact to rounding because the mode finder itself runs on complex numbers.
``hessian`` says which information stands in the determinant, the observed one or the
expected one (they agree for canonical links). Gaussian responses take the exact
marginal normal density.

Run: ``python validation/reference/gold_laplace.py`` (needs numpy, scipy, pandas; about
one minute), after ``r_fits.R``, which writes the data. Writes ``gold_laplace.json``.

Source: Breslow and Clayton (1993), J. Am. Stat. Assoc. 88, 9-25, section 2.1, for the
approximation; Liu and Pierce (1994), Biometrika 81, 624-629, for adaptive quadrature;
Squire and Trapp (1998), SIAM Rev. 40, 110-112, for the complex step.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import scipy
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import gammaln, log_ndtr

HERE = Path(__file__).parent
STEP = 1e-30
TOLERANCE = 1e-8
NODES = (5, 9, 25)

Array = NDArray[Any]  # float64, or complex128 inside a complex step
Point = tuple[Array, Array, Array, Array]


@dataclass(frozen=True)
class Term:
    """One random-effect term: `group` (n,) level numbers, `Z` (n, q) covariates."""

    factor: str
    names: tuple[str, ...]
    group: Array
    Z: Array

    @property
    def size(self) -> int:
        """Number of entries of the Cholesky factor."""
        q = len(self.names)
        return q * (q + 1) // 2

    def loadings(self, theta: Array) -> Array:
        """Dense Z Lambda, (n, levels q); `theta` is the Cholesky factor, row by row."""
        q, levels = len(self.names), int(self.group.max()) + 1
        factor = np.zeros((q, q), dtype=theta.dtype)
        factor[np.tril_indices(q)] = theta
        M = np.zeros((len(self.Z), levels, q), dtype=theta.dtype)
        M[np.arange(len(self.Z)), self.group] = self.Z @ factor
        return M.reshape(len(self.Z), levels * q)


@dataclass(frozen=True)
class Problem:
    """A model: `y` (n,) counts out of `trials` (n,), `X` (n, p), terms and link."""

    y: Array
    trials: Array
    X: Array
    columns: tuple[str, ...]
    terms: tuple[Term, ...]
    link: Literal["logit", "probit", "cloglog", "log", "identity"]
    hessian: Literal["observed", "expected"] = "observed"


# ---- one response: log density without constant, its slope, -curvature, expected information


def logit(eta: Array, y: Array, m: Array) -> Point:
    p = 1 / (1 + np.exp(-eta))
    w = m * p * (1 - p)
    return y * eta - m * np.log1p(np.exp(eta)), y - m * p, w, w


def probit(eta: Array, y: Array, m: Array) -> Point:
    def hazard(x: Array) -> Array:
        ratio: Array = np.exp(-(x**2) / 2 - np.log(2 * np.pi) / 2 - log_ndtr(x))
        return ratio

    up, down = hazard(eta), hazard(-eta)
    density = y * log_ndtr(eta) + (m - y) * log_ndtr(-eta)
    observed = y * up * (up + eta) + (m - y) * down * (down - eta)
    return density, y * up - (m - y) * down, observed, m * up * down


def cloglog(eta: Array, y: Array, m: Array) -> Point:
    rate = np.exp(eta)
    odds = rate / np.expm1(rate)
    density = y * np.log(-np.expm1(-rate)) - (m - y) * rate
    observed = (m - y) * rate - y * odds * (1 - rate - odds)
    return density, y * odds - (m - y) * rate, observed, m * rate * odds


def log(eta: Array, y: Array, m: Array) -> Point:
    mu: Array = np.exp(eta)
    return y * eta - mu, y - mu, mu, mu


POINTS: dict[str, Callable[[Array, Array, Array], Point]] = {
    "logit": logit,
    "probit": probit,
    "cloglog": cloglog,
    "log": log,
}


def constant(problem: Problem) -> float:
    """Sum of the log normalising constants of the responses."""
    y, m = problem.y, problem.trials
    if problem.link == "log":
        return -float(gammaln(y + 1).sum())
    return float((gammaln(m + 1) - gammaln(y + 1) - gammaln(m - y + 1)).sum())


# ---- the marginal deviance


def loadings(problem: Problem, theta: Array) -> Array:
    cuts = np.cumsum([term.size for term in problem.terms])[:-1]
    parts = np.split(theta, cuts)
    return np.hstack([t.loadings(part) for t, part in zip(problem.terms, parts, strict=True)])


def curvature(M: Array, weight: Array) -> Array:
    H: Array = np.eye(M.shape[1]) + M.T @ (weight[:, None] * M)
    return H


def find_mode(problem: Problem, offset: Array, M: Array) -> Array:
    """Mode of the random effects given real `offset` and `M`: damped Newton."""
    point = POINTS[problem.link]

    def height(u: Array) -> float:
        return float(point(offset + M @ u, problem.y, problem.trials)[0].sum() - u @ u / 2)

    u = np.zeros(M.shape[1])
    for _ in range(200):
        _, slope, weight, _ = point(offset + M @ u, problem.y, problem.trials)
        score = M.T @ slope - u
        step = np.linalg.solve(curvature(M, weight), score)
        length = 1.0
        while height(u + length * step) < height(u) - 1e-9 and length > 1e-6:
            length /= 2
        u = u + length * step
        if score @ step < 1e-24:
            return u
    raise RuntimeError("the mode was not found")


def deviance(problem: Problem, parameters: Array, nodes: int = 1) -> complex:
    """Twice the negative log-likelihood at `parameters` (p + thetas,), real or complex."""
    if problem.link == "identity":
        return deviance_gaussian(problem, parameters)
    p, point = problem.X.shape[1], POINTS[problem.link]
    offset, M = problem.X @ parameters[:p], loadings(problem, parameters[p:])
    u: Array = find_mode(problem, offset.real, M.real)
    for _ in range(3):  # from the real mode on, complex Newton steps carry the derivative
        _, slope, weight, _ = point(offset + M @ u, problem.y, problem.trials)
        u = u + np.linalg.solve(curvature(M, weight), M.T @ slope - u)
    density, _, observed, expected = point(offset + M @ u, problem.y, problem.trials)
    H = curvature(M, observed if problem.hessian == "observed" else expected)
    if nodes > 1:
        return -2 * log_quadrature(problem, offset, M, u, nodes, H) - 2 * constant(problem)
    sign, size = np.linalg.slogdet(H)
    return complex(-2 * (density.sum() + constant(problem)) + u @ u + size + np.log(sign + 0j))


def deviance_gaussian(problem: Problem, parameters: Array) -> complex:
    """Deviance of the marginal normal density; the last parameter is the residual sd."""
    p, n = problem.X.shape[1], len(problem.y)
    M = loadings(problem, parameters[p:-1])
    residual = problem.y - problem.X @ parameters[:p]
    V = M @ M.T + parameters[-1] ** 2 * np.eye(n)
    sign, size = np.linalg.slogdet(V)
    quadratic = residual @ np.linalg.solve(V, residual)
    return complex(quadratic + size + np.log(sign + 0j) + n * np.log(2 * np.pi))


def log_quadrature(
    problem: Problem, offset: Array, M: Array, u: Array, nodes: int, H: Array
) -> complex:
    """Log of the integral over independent scalar effects, one adaptive rule a level."""
    x, w = np.polynomial.hermite.hermgauss(nodes)
    scale = np.sqrt(2 / np.diag(H))
    group = problem.terms[0].group
    rows = []
    for node in x:
        v = u + scale * node
        density = POINTS[problem.link](offset + M @ v, problem.y, problem.trials)[0]
        level = np.zeros(len(u), dtype=v.dtype)
        np.add.at(level, group, density)
        rows.append(level - v * v / 2 + node**2)
    table = np.array(rows) + np.log(w)[:, None]
    top = table.real.max(axis=0)
    integral = np.log(np.exp(table - top).sum(axis=0)) + np.log(scale / np.sqrt(2 * np.pi))
    return complex((top + integral).sum())


# ---- the maximum


def differentiate(f: Callable[[Array], complex], x: Array) -> Array:
    """Gradient of `f` at real `x` by the complex step."""
    return np.array([f(x + 1j * STEP * e).imag / STEP for e in np.eye(len(x))])


def differentiate_twice(f: Callable[[Array], complex], x: Array) -> Array:
    """Hessian of `f`: fourth-order central differences of its complex-step gradient."""
    h = 1e-3
    rows = [
        8 * (differentiate(f, x + h * e) - differentiate(f, x - h * e))
        - (differentiate(f, x + 2 * h * e) - differentiate(f, x - 2 * h * e))
        for e in np.eye(len(x))
    ]
    H = np.array(rows) / (12 * h)
    return (H + H.T) / 2


def start(problem: Problem) -> Array:
    """Coefficients without random effects, and standard deviations of one half."""
    if problem.link == "identity":
        beta, rss = np.linalg.lstsq(problem.X, problem.y, rcond=None)[:2]
        sd = float(np.sqrt(rss[0] / len(problem.y)))
        scales = [sd / 2 / np.abs(t.Z).max(axis=0) for t in problem.terms]
        diagonal = [np.diag(v)[np.tril_indices(len(v))] for v in scales]
        return np.concatenate([beta, *diagonal, [sd]])
    beta = np.zeros(problem.X.shape[1])
    for _ in range(30):
        eta = problem.X @ beta
        _, slope, _, weight = POINTS[problem.link](eta, problem.y, problem.trials)
        beta = beta + np.linalg.solve(
            problem.X.T @ (weight[:, None] * problem.X), problem.X.T @ slope
        )
    diagonal = [np.eye(len(t.names))[np.tril_indices(len(t.names))] / 2 for t in problem.terms]
    return np.concatenate([beta, *diagonal])


def maximise(problem: Problem, begin: Array, nodes: int = 1) -> dict[str, Any]:
    """Maximum of the log-likelihood: BFGS, then Newton until the gradient vanishes."""

    def f(x: Array) -> complex:
        return deviance(problem, x, nodes)

    def value(x: Array) -> float:
        return f(x).real

    def gradient(x: Array) -> Array:
        return differentiate(f, x)

    x = minimize(value, begin, jac=gradient, method="BFGS", options={"gtol": 1e-4}).x
    H = differentiate_twice(f, x)
    for _ in range(8):
        slope = gradient(x)
        if np.abs(slope).max() < TOLERANCE / 10:
            break
        x = x - np.linalg.solve(H, slope)
    worst = float(np.abs(gradient(x)).max())
    if worst > TOLERANCE:
        raise RuntimeError(f"the gradient is {worst:.1e} at the optimum")
    return describe(problem, x, value(x), worst, differentiate_twice(f, x))


def describe(problem: Problem, x: Array, D: float, worst: float, H: Array) -> dict[str, Any]:
    p = problem.X.shape[1]
    se = np.sqrt(2 * np.diag(np.linalg.inv(H)))
    components, correlations, at = [], [], p
    for term in problem.terms:
        q = len(term.names)
        factor = np.zeros((q, q))
        factor[np.tril_indices(q)] = x[at : at + term.size]
        at += term.size
        covariance = factor @ factor.T
        sd = np.sqrt(np.diag(covariance))
        components += [
            {"group": term.factor, "name": name, "sd": float(s)}
            for name, s in zip(term.names, sd, strict=True)
        ]
        if q == 2:
            corr = float(covariance[1, 0] / sd[0] / sd[1])
            first, second = term.names
            correlations.append(
                {"group": term.factor, "name1": first, "name2": second, "corr": corr}
            )
    sigma = float(x[-1]) if problem.link == "identity" else None
    return {
        "llf": -D / 2,
        "params": dict(zip(problem.columns, x[:p].tolist(), strict=True)),
        "bse": dict(zip(problem.columns, se[:p].tolist(), strict=True)),
        "components": components,
        "correlations": correlations,
        "sigma": sigma,
        "max_gradient": worst,
        "parameters": x.tolist(),
    }


# ---- the models


def table(name: str) -> pd.DataFrame:
    return pd.read_csv(HERE / "data" / f"{name}.csv")


def intercept(data: pd.DataFrame, factor: str) -> Term:
    return Term(factor, ("Intercept",), pd.factorize(data[factor])[0], np.ones((len(data), 1)))


def columns(data: pd.DataFrame, names: dict[str, Any]) -> tuple[Array, tuple[str, ...]]:
    parts = [np.ones(len(data)), *(np.asarray(v, dtype=float) for v in names.values())]
    return np.column_stack(parts), ("Intercept", *names)


def cbpp(link: Any, hessian: Any = "observed", obs: bool = False) -> Problem:
    data = table("cbpp")
    X, names = columns(data, {f"period[T.{k}]": data.period == k for k in (2, 3, 4)})
    terms = [intercept(data, "herd"), *([intercept(data, "obs")] if obs else [])]
    y, m = data.incidence.to_numpy(float), data["size"].to_numpy(float)
    return Problem(y, m, X, names, tuple(terms), link, hessian)


def seeds() -> Problem:
    data = table("seeds")
    X, names = columns(data, {"x1": data.x1, "x2": data.x2, "x1:x2": data.x1 * data.x2})
    y, m = data.r.to_numpy(float), data.n.to_numpy(float)
    return Problem(y, m, X, names, (intercept(data, "plate"),), "logit")


def bacteria() -> Problem:
    data = table("bacteria")
    drugs = {f"trt[T.{k}]": data.trt == k for k in ("drug", "drug+")}
    X, names = columns(data, {**drugs, "late": data.late})
    y = data.y.to_numpy(float)
    return Problem(y, np.ones(len(y)), X, names, (intercept(data, "ID"),), "logit")


def multicenter() -> Problem:
    data = table("multicenter")
    X, names = columns(data, {"group[T.B]": data.group == "B"})
    y, m = data.sideeffect.to_numpy(float), data.n.to_numpy(float)
    return Problem(y, m, X, names, (intercept(data, "center"),), "logit")


def epil(model: int) -> Problem:
    data = table("epil")
    time = "visit" if model == 4 else "V4"
    fixed = {name: data[name] for name in ("lbase4", "Trt", "lage_raw", time)}
    X, names = columns(data, {**fixed, "lbase4:Trt": data.lbase4 * data.Trt})
    terms = {
        2: (intercept(data, "subject"),),
        3: (intercept(data, "subject"), intercept(data, "obs")),
        4: (
            Term(
                "subject",
                ("Intercept", "visit"),
                pd.factorize(data.subject)[0],
                np.column_stack([np.ones(len(data)), data.visit]),
            ),
        ),
    }[model]
    y = data.y.to_numpy(float)
    return Problem(y, np.ones(len(y)), X, names, terms, "log")


def sleepstudy(diagonal: bool = False) -> Problem:
    data = table("sleepstudy")
    X, names = columns(data, {"Days": data.Days})
    subject, one = pd.factorize(data.Subject)[0], np.ones((len(data), 1))
    days = data[["Days"]].to_numpy(float)
    slopes = Term("Subject", ("Days",), subject, days)
    together = Term("Subject", ("Intercept", "Days"), subject, np.hstack([one, days]))
    terms = (intercept(data, "Subject"), slopes) if diagonal else (together,)
    y = data.Reaction.to_numpy(float)
    return Problem(y, np.ones(len(y)), X, names, terms, "identity")


CASES: dict[str, Problem] = {
    "cbpp": cbpp("logit"),
    "cbpp_probit": cbpp("probit"),
    "cbpp_probit_expected": cbpp("probit", "expected"),
    "cbpp_cloglog": cbpp("cloglog"),
    "cbpp_cloglog_expected": cbpp("cloglog", "expected"),
    "cbpp_obs": cbpp("logit", obs=True),
    "seeds": seeds(),
    "bacteria": bacteria(),
    "multicenter": multicenter(),
    "epil_2": epil(2),
    "epil_3": epil(3),
    "epil_4": epil(4),
    "sleepstudy": sleepstudy(),
    "sleepstudy_diagonal": sleepstudy(diagonal=True),
}
QUADRATURE = ("cbpp", "cbpp_probit", "cbpp_cloglog", "seeds", "bacteria", "multicenter", "epil_2")


def main() -> None:
    gold: dict[str, Any] = {"laplace": {}, "quadrature": {}}
    for name, problem in CASES.items():
        fit = gold["laplace"][name] = maximise(problem, start(problem))
        fit["hessian"] = problem.hessian
        print(f"{name:24s} Laplace  llf {fit['llf']:.10f}  gradient {fit['max_gradient']:.0e}")
    for name in QUADRATURE:
        problem = replace(CASES[name], hessian="observed")
        begin = np.array(gold["laplace"][name]["parameters"])
        gold["quadrature"][name] = {}
        for nodes in NODES:
            fit = gold["quadrature"][name][str(nodes)] = maximise(problem, begin, nodes)
            print(f"{name:24s} {nodes:2d} nodes llf {fit['llf']:.10f}")
    versions = {"python": platform.python_version(), "numpy": np.__version__}
    versions["scipy"] = scipy.__version__
    record = {"versions": versions, **gold}
    (HERE / "gold_laplace.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
