"""What no test of heavy-tailed random effects can exceed: the effects themselves are seen.

60 effects, normal or of Student's t with 3 degrees of freedom, without any error. Power of

- the likelihood-ratio test of this very alternative against the normal distribution, with unknown
  means and scales (the maximum of both likelihoods): near the most powerful invariant test;
- Anderson and Darling's test with mean and standard deviation unknown;

at 5 %, and at 0.5 %, about what is left for one of a dozen checks. Critical values are those of as
many normal samples.

    python validation/power/ceiling.py

Results are written to ``ceiling.json`` beside this file.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from scipy import stats

RESULTS = Path(__file__).with_name("ceiling.json")
EFFECTS, DEGREES, DATASETS = 60, 3.0, 20_000


def t_likelihood(values: np.ndarray) -> np.ndarray:
    """Maximal log-likelihood of a t distribution, (B,), by the EM algorithm in mean and scale."""
    mean, scale = np.median(values, axis=1), np.median(np.abs(values), axis=1)
    for _ in range(300):
        z = (values - mean[:, None]) / scale[:, None]
        weight = (DEGREES + 1.0) / (DEGREES + z * z)
        mean = (weight * values).sum(axis=1) / weight.sum(axis=1)
        scale = np.sqrt((weight * (values - mean[:, None]) ** 2).mean(axis=1))
    return stats.t.logpdf(values, DEGREES, mean[:, None], scale[:, None]).sum(axis=1)


def likelihood_ratio(values: np.ndarray) -> np.ndarray:
    """Log-likelihood of the t distribution less that of the normal one, (B,)."""
    deviation = values.std(axis=1)
    normal = -values.shape[1] * (0.5 * np.log(2.0 * np.pi) + np.log(deviation) + 0.5)
    return t_likelihood(values) - normal


def anderson_darling(values: np.ndarray) -> np.ndarray:
    """Anderson and Darling's statistic of standardised values, (B,)."""
    z = np.sort(stats.zscore(values, axis=1), axis=1)
    n = z.shape[1]
    odd = 2.0 * np.arange(1, n + 1) - 1.0
    return -n - (odd * (stats.norm.logcdf(z) + stats.norm.logsf(z[:, ::-1]))).mean(axis=1)


def main() -> None:
    """Run the study."""
    rng = np.random.default_rng(20261126)
    null = rng.normal(size=(DATASETS, EFFECTS))
    heavy = rng.standard_t(DEGREES, size=(DATASETS, EFFECTS))
    out: dict[str, object] = {"effects": EFFECTS, "degrees of freedom": DEGREES, "n": DATASETS}
    for name, statistic in (
        ("likelihood ratio", likelihood_ratio),
        ("Anderson-Darling", anderson_darling),
    ):
        under, seen = statistic(null), statistic(heavy)
        out[name] = {
            str(level): round(float((seen > np.quantile(under, 1.0 - level)).mean()), 3)
            for level in (0.05, 0.005)
        }
        print(name, out[name], flush=True)
    RESULTS.write_text(json.dumps(out, indent=1) + "\n")


if __name__ == "__main__":
    main()
