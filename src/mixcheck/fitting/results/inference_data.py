"""Draws around a fit as an object of ArviZ: parameters, random effects, responses, log densities.

Parameters are drawn from the normal approximation N(estimates, covariance) on the scale of the
search (the logarithm of a dispersion, entries of roots of covariances), random effects from their
distribution given the data and the parameters of the draw.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

import numpy as np

from mixcheck.arguments.options import require_draws, require_whole
from mixcheck.arrays import FloatArray
from mixcheck.errors import ConvergenceError, OptionError
from mixcheck.execution.streams import Purpose, choose_seed, stream
from mixcheck.fitting.estimation.sizes import require_room_for_draws
from mixcheck.fitting.latent.roots import scale
from mixcheck.fitting.likelihood.mode import find_mode
from mixcheck.fitting.predictive.data_view import respond
from mixcheck.fitting.predictive.posterior import draw_posterior
from mixcheck.fitting.results.covariances import component_rows
from mixcheck.fitting.results.prediction_intervals import known_covariance
from mixcheck.fitting.results.refitting import Refitting

__all__ = ["to_inference_data"]

_ROWS: Final = "__obs__"
_LIBRARIES: Final = ("arviz", "xarray")
_MOST_CHAINS: Final = 1000


@dataclass(frozen=True, eq=False)
class _Draw:
    """One draw: numbers by name, random effects (q, m) per factor, and three vectors of rows."""

    numbers: dict[str, float]
    effects: list[FloatArray]
    response: FloatArray
    log_density: FloatArray
    mean: FloatArray


def to_inference_data(fit: Refitting, chains: int, draws: int, seed: int | None) -> Any:
    """See `GLMM.to_inference_data`."""
    require_whole("chains", chains, 1, _MOST_CHAINS)
    require_draws(draws)
    require_room_for_draws(chains * draws, fit.nobs)
    xarray = _imported("xarray")
    chosen, root = choose_seed(seed), _root(known_covariance(fit))
    made = [_draw(fit, root, stream(chosen, Purpose.SIMULATE, k)) for k in range(chains * draws)]
    shape = (chains, draws)
    first = made[0]
    posterior: dict[str, tuple[tuple[str, ...], Any]] = {
        _named(name): (("chain", "draw"), np.reshape([one.numbers[name] for one in made], shape))
        for name in first.numbers
    }
    coords: dict[str, Any] = {"chain": np.arange(chains), "draw": np.arange(draws)}
    for term in fit.problem.terms:
        axis = _named(f"{term.block.group}__factor_dim")
        coords[axis] = np.asarray(term.block.levels)
        values = np.stack([term.by_level(one.effects[term.factor]) for one in made], axis=1)
        for effect, drawn in zip(fit.effect_names(term), values, strict=True):
            name = _named(f"{_short(effect)}|{term.block.group}")
            posterior[name] = (("chain", "draw", axis), drawn.reshape(*shape, -1))
    response = _response_name(fit)
    rows = {_ROWS: np.asarray(fit.frame.index)}
    both = {**rows, "chain": coords["chain"], "draw": coords["draw"]}
    axes = ("chain", "draw", _ROWS)
    responses = np.stack([one.response for one in made]).reshape(*shape, -1)
    densities = np.stack([one.log_density for one in made]).reshape(*shape, -1)
    observed = fit.problem.to_design(fit.problem.data.y)
    means = np.stack([one.mean for one in made]).reshape(*shape, -1)
    # Names of bambi, by which the distribution of a response is known to whoever reads them.
    mean = "p" if fit.family.takes_trials else "mu"
    if mean not in posterior:
        posterior[mean] = (axes, means)
    elsewhere = fit.family.dispersion_elsewhere
    if elsewhere and "dispersion" in posterior and elsewhere not in posterior:
        posterior[elsewhere] = posterior["dispersion"]
    size = fit.problem.data.size
    trials = {} if size is None else {"n": ((_ROWS,), fit.problem.to_design(size))}
    groups = {
        "posterior": xarray.Dataset(posterior, {**coords, **rows}),
        "posterior_predictive": xarray.Dataset({response: (axes, responses)}, both),
        "log_likelihood": xarray.Dataset({response: (axes, densities)}, both),
        "observed_data": xarray.Dataset({response: ((_ROWS,), observed)}, rows),
        **({"constant_data": xarray.Dataset(trials, rows)} if trials else {}),
    }
    return _gathered(groups)


def _draw(fit: Refitting, root: FloatArray, rng: np.random.Generator) -> _Draw:
    problem, at = fit.problem, fit.optimum
    psi = at.psi + root @ rng.standard_normal(at.psi.size)
    roots = problem.roots(psi[problem.n_beta :])
    base = problem.fixed(psi)
    mode = find_mode(problem, base, roots, list(fit.mode.point.u))
    if mode is None:
        raise ConvergenceError(
            "no conditional modes were found at a draw of the parameters; the normal approximation "
            "is wide: see fit.conf_int(method='profile')"
        )
    view = fit.view_at(psi)
    u = draw_posterior(problem, base, mode, rng).u
    eta = tuple(view.eta(u))
    density = problem.family.derivatives(problem.data, eta, 1).value
    return _Draw(
        _numbers(fit, psi),
        [scale(part, w) for part, w in zip(roots, u, strict=True)],
        problem.to_design(respond(view, u, rng)),
        problem.to_design(density),
        problem.to_design(problem.family.mean(eta, None)),
    )


def _named(name: str) -> str:
    # A DataTree has paths, and takes no variable with a slash.
    return name.replace("/", "÷")


def _short(effect: str) -> str:
    return "1" if effect == "Intercept" else effect


def _response_name(fit: Refitting) -> str:
    """The column of the successes where there are trials, and else the left side."""
    formula = fit.design.formula
    counted = fit.problem.data.size is not None and formula.response.kind != "single"
    return _named(formula.response.parts[0] if counted else formula.left_side)


def _numbers(fit: Refitting, psi: FloatArray) -> dict[str, float]:
    """Coefficients by their names, and deviations and correlations of the random effects."""
    out, theta = fit.params_at(psi), psi[fit.problem.n_beta :]
    for term in fit.problem.terms:
        part = fit.design.predictors[term.predictor].name
        for group, label, _, sd, corr in component_rows(term, theta[term.theta]):
            kind, value = ("sigma", sd) if np.isfinite(sd) else ("corr", corr)
            effect = label if part == "mean" else f"{part}: {label}"
            out[f"{_short(effect)}|{group}_{kind}"] = float(value)
    dispersion = fit.dispersion_at(psi)
    if dispersion is not None:
        name = "sigma" if fit.family.normal_error else "dispersion"
        out[f"{name}_" if name in out else name] = dispersion
    return out


def _root(covariance: FloatArray) -> FloatArray:
    """A root of the covariance, (P, P); what has no finite variance is held."""
    known = np.where(np.isfinite(covariance), covariance, 0.0)
    values, vectors = np.linalg.eigh(known)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def _imported(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise OptionError(
            f"to_inference_data needs {' and '.join(_LIBRARIES)}: pip install arviz"
        ) from error


def _gathered(groups: dict[str, Any]) -> Any:
    """An InferenceData of ArviZ before 1.0, and a DataTree of xarray since."""
    library = _imported("arviz")
    if int(library.__version__.split(".")[0]) < 1:
        return library.InferenceData(**groups)
    return _imported("xarray").DataTree.from_dict(groups)
