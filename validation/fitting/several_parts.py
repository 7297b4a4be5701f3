"""Whether fits of models with several parts reach the best optimum that is known.

Each data set of ``scenarios.py`` is fitted by `glmm`, searched from ten random starts, and
compared with glmmTMB where that has the model (``glmmtmb.csv``, by ``several_parts.R``):

    python validation/fitting/several_parts.py --count 150

A start is drawn around that of the model without random effects: coefficients of the zero part
and of the dispersion anew, standard deviations times a log-normal number. What counts is a
search that has come to rest away from the poles of Laplace's approximation, and not where a zero
part is next to nothing but the likelihood rises on the way back from there. The value of
glmmTMB is that of its own objective; ours at its estimates is there beside it. Half an hour on
one core; results are added to ``results.csv`` beside this file as they come.
"""

from __future__ import annotations

import argparse
import csv
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from scenarios import KINDS, Case, draw

import mixcheck as mc
from mixcheck.errors import MixcheckError
from mixcheck.families import get_family
from mixcheck.families.zero_part import add_zeros
from mixcheck.fitting.estimation.optimize import minimise
from mixcheck.fitting.estimation.other_starts import is_optimum
from mixcheck.fitting.estimation.quasi_newton import POLE
from mixcheck.fitting.estimation.searches import Searches
from mixcheck.fitting.estimation.start import find_start, fit_without_random_effects, whiten
from mixcheck.fitting.glmm import _design
from mixcheck.fitting.likelihood.approximation import objective_of
from mixcheck.fitting.likelihood.arrangement import arrange
from mixcheck.fitting.likelihood.laplace import Laplace
from mixcheck.fitting.likelihood.problem import Problem

HERE = Path(__file__).parent
STARTS = 10


def problem_of(case: Case) -> Problem:
    """The model of a case, for the fitter."""
    family = add_zeros(get_family(case.family))
    design = _design(
        case.formula, case.data, family, case.zi, case.dispersion, None, None, None, None
    )
    return arrange(design, family)


def search(problem: Problem, psi: np.ndarray) -> float | None:
    """Log-likelihood where a search comes to rest; None where it does not."""
    objective = objective_of(problem, Laplace())
    try:
        first = objective(psi, None)
        if first.mode is None or first.spread > POLE:
            return None
        end = minimise(objective, psi, whiten(problem, first), first=first)
        end = Searches(problem, Laplace()).come_back(end)
    except (MixcheckError, np.linalg.LinAlgError):
        return None
    return -0.5 * end.evaluation.deviance if is_optimum(end) else None


def random_starts(problem: Problem, k: int, count: int) -> float | None:
    """Best log-likelihood from random starts."""
    start = find_start(problem, fit_without_random_effects(problem))
    found = []
    for j in range(count):
        rng = np.random.default_rng([k, j])
        psi = start.copy()
        psi[problem.beta_slices[0]] += rng.normal(0, 0.5, problem.X[0].shape[1])
        for where in problem.beta_slices[1:]:
            psi[where] = rng.normal(0, 1.0, where.stop - where.start)
        psi[problem.n_beta :] *= np.exp(rng.normal(0, 0.7, problem.n_theta))
        found.append(search(problem, psi))
    rested = [value for value in found if value is not None]
    return max(rested) if rested else None


def at_glmmtmb(problem: Problem, text: str) -> float:
    """Our log-likelihood at the estimates of glmmTMB."""
    beta_x, beta_y, zi_x, zi_y, dispersion, sd, sd_zi = (float(v) for v in text.split())
    psi = np.array([beta_x, beta_y, dispersion, zi_x, zi_y, np.exp(sd), np.exp(sd_zi)])
    return -0.5 * objective_of(problem, Laplace())(psi, None).deviance


def study(
    kind: str, k: int, theirs: pd.DataFrame | None, starts: int, held: dict[tuple[str, int], str]
) -> dict[str, object]:
    """One row of the results; the best of the random starts may be known from before."""
    case = draw(kind, k)
    problem = problem_of(case)
    row: dict[str, object] = {"kind": kind, "k": k, "rows": problem.n, "family": case.family}
    begin = time.process_time()
    try:
        fit = mc.glmm(
            case.formula, case.data, family=case.family, zi=case.zi, dispersion=case.dispersion
        )
        facts = fit.convergence
        row |= {
            "llf": f"{fit.llf:.6f}",
            "converged": facts.converged,
            "runaway": "; ".join(facts.runaway),
            "singular": "; ".join(facts.singular),
            "evaluations": facts.evaluations,
        }
    except MixcheckError as error:
        row["error"] = str(error)[:80]
    row["seconds"] = round(time.process_time() - begin, 2)
    if (kind, k) in held:
        row["ten_starts"] = held[kind, k]
    else:
        best = random_starts(problem, k, starts)
        row["ten_starts"] = "" if best is None else f"{best:.6f}"
    if theirs is not None and k in theirs.index and theirs.loc[k, "clean"]:
        row["glmmtmb_clean"] = theirs.loc[k, "clean"]
        row["glmmtmb"] = theirs.loc[k, "llf"]
        row["ours_at_glmmtmb"] = f"{at_glmmtmb(problem, str(theirs.loc[k, 'par'])):.6f}"
    row["mixcheck"] = mc.__version__
    return row


FIELDS = [
    "kind",
    "k",
    "rows",
    "family",
    "llf",
    "converged",
    "runaway",
    "singular",
    "evaluations",
    "error",
    "seconds",
    "ten_starts",
    "glmmtmb_clean",
    "glmmtmb",
    "ours_at_glmmtmb",
    "mixcheck",
]


def main() -> None:
    """Study data sets of both kinds in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=150)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--starts", type=int, default=STARTS)
    parser.add_argument("--held", type=Path, help="results whose random starts are taken over")
    parser.add_argument("--results", type=Path, default=HERE / "results.csv")
    asked = parser.parse_args()
    other = HERE / "glmmtmb.csv"
    theirs = pd.read_csv(other, index_col="k") if other.exists() else None
    held = {}
    if asked.held is not None:
        with asked.held.open(newline="") as file:
            held = {(row["kind"], int(row["k"])): row["ten_starts"] for row in csv.DictReader(file)}
    fresh = not asked.results.exists()
    warnings.simplefilter("ignore")
    for k in range(asked.first, asked.first + asked.count):
        for kind in asked.kinds:
            row = study(kind, k, theirs if kind == "zinb" else None, asked.starts, held)
            with asked.results.open("a", newline="") as file:
                writer = csv.DictWriter(file, FIELDS)
                if fresh:
                    writer.writeheader()
                    fresh = False
                writer.writerow(row)


if __name__ == "__main__":
    main()
