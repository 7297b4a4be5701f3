"""Importance sampling where the literature has the maximum of the likelihood.

The mating experiments with salamanders of McCullagh & Nelder (1989), crossed random effects of
females and males: minus twice the maximal log-likelihood is 415.21. The data of Booth & Hobert
(1999), Journal of the Royal Statistical Society B 61, 265-285, table 2: beta = 6.132, variance
1.766. Neither table is part of this repository; both are read from files:

    python validation/fitting/mating.py salamander_lme4.csv BoothHobert.csv
"""

from __future__ import annotations

import sys

import pandas as pd

import mixcheck as mc

ERROR = "Monte Carlo standard error of the log-likelihood"


def main(mating: str, booth_hobert: str) -> None:
    """Print estimates with their Monte Carlo errors."""
    data = pd.read_csv(mating)
    formula = "Mate ~ 0 + Cross + (1 | Female) + (1 | Male)"
    print(f"Laplace {-2.0 * mc.glmm(formula, data, family='binomial').llf:.3f}")
    for draws in (1024, 4096, 16384):
        for seed in range(3):
            fit = mc.glmm(
                formula, data, family="binomial", method="importance", draws=draws, seed=seed
            )
            error = 2.0 * fit.convergence.integration[ERROR]
            print(f"{draws:6d} draws, seed {seed}: {-2.0 * fit.llf:.3f}, error {error:.3f}")
    data = pd.read_csv(booth_hobert)
    for draws in (1024, 16384):
        fit = mc.glmm(
            "y ~ 0 + x1 + (1 | z1)", data, family="binomial", method="importance", draws=draws
        )
        variance = fit.variance_components["variance"].iloc[0]
        print(f"{draws:6d} draws: beta {fit.params.iloc[0]:.4f}, variance {variance:.4f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
