"""Models to a table: criteria, likelihood-ratio tests, weights."""

from mixcheck.comparison.criteria import aic, bic
from mixcheck.comparison.likelihood_ratio import LikelihoodRatio, lrt
from mixcheck.comparison.table import ComparedModel, Comparison, compare

__all__ = ["ComparedModel", "Comparison", "LikelihoodRatio", "aic", "bic", "compare", "lrt"]
