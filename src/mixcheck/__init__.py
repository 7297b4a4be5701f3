"""Fit, check and compare generalized linear mixed models.

The public names, in the order in which they are used.
"""

from __future__ import annotations

# ruff: noqa: I001  # this order is that of the work, not of the alphabet

__version__ = "0.1.0"

# data and families
from mixcheck import datasets
from mixcheck import families
from mixcheck import priors

# fit, or bring draws of a model fitted elsewhere
from mixcheck.fitting.glmm import glmm
from mixcheck.fitting.partitions.partitioned_fit import PartitionedGLMM
from mixcheck.fitting.partitions.verb import glmm_partitions
from mixcheck.fitting.results.glmm_fit import GLMM
from mixcheck.fitting.loading import load
from mixcheck.fitting.results.profiles import Profile
from mixcheck.fitting.results.refits import Refits
from mixcheck.adapters.draws import from_draws
from mixcheck.adapters.inference_data import from_inference_data
from mixcheck.adapters.predicted import from_distribution
from mixcheck.elsewhere.glmm_package import from_fit
import mixcheck.adapters.registry  # results of other packages find their adapters
import mixcheck.elsewhere.registry  # noqa: F401

# replicate data sets and residuals
from mixcheck.simulation import replicate, Replicates
from mixcheck.simulation import simulate as simulate  # replicate, by its former name
from mixcheck.quantile_residuals import residuals, Residuals

# checks
from mixcheck import checks
from mixcheck.checks.check import Suite
from mixcheck.checks.verb import check

# what was found and how it is judged
from mixcheck.report.finding import Finding, Skipped
from mixcheck.report.policy import Policy, Verdict
from mixcheck.report.report import Report

# means, differences and slopes
from mixcheck.marginal.means import emmeans, MarginalMeans
from mixcheck.marginal.contrasts import contrasts
from mixcheck.marginal.slopes import slopes
from mixcheck.marginal.comparisons import comparisons
from mixcheck.marginal.effects import Effects
from mixcheck.marginal.explained import icc, r2, Explained

# comparison
from mixcheck.comparison.criteria import aic, aicc, bic
from mixcheck.comparison.quasi_aic import qaic, QuasiAIC
from mixcheck.comparison.takeuchi import Takeuchi, tic
from mixcheck.comparison.conditional import caic, ConditionalAIC
from mixcheck.comparison.likelihood_ratio import lrt, LikelihoodRatio
from mixcheck.comparison.bootstrap import bootstrap_lrt, BootstrapRatio
from mixcheck.comparison.non_nested import vuong, Vuong
from mixcheck.comparison.group_scores import logo, GroupScores
from mixcheck.comparison.row_scores import loo, RowScores
from mixcheck.comparison.score_difference import ScoreDifference
from mixcheck.comparison.compared import Comparison
from mixcheck.comparison.table import compare
from mixcheck.comparison.k_fold import FoldScores, kfold
from mixcheck.comparison.weights import model_weights
from mixcheck.comparison.exact import exact_lrt, ExactRatio
from mixcheck.comparison.averaging import average
from mixcheck.comparison.model_average import ModelAverage

# model selection, and what to try after a failing check
from mixcheck.selection.selection import Selection
from mixcheck.selection.select import select
from mixcheck.selection.inclusion import Inclusion, inclusion
from mixcheck.selection.suggestions import Suggestions, suggest

# pictures
from mixcheck import plots

# errors and warnings
from mixcheck.errors import (
    ChecksFailed,
    ComparisonError,
    ConvergenceError,
    DataError,
    DesignError,
    FamilyError,
    FormulaError,
    MixcheckError,
    OptionError,
    OutputError,
    SeparationError,
    UnknownArgumentError,
    UnknownCheckError,
    UnknownColumnError,
    UnseenLevelError,
    WorkerError,
    BoundaryWarning,
    ConvergenceWarning,
    DataWarning,
    MixcheckWarning,
    RenamedWarning,
    SeparationWarning,
)

__all__ = [
    "GLMM",
    "BootstrapRatio",
    "BoundaryWarning",
    "ChecksFailed",
    "Comparison",
    "ComparisonError",
    "ConditionalAIC",
    "ConvergenceError",
    "ConvergenceWarning",
    "DataError",
    "DataWarning",
    "DesignError",
    "Effects",
    "ExactRatio",
    "Explained",
    "FamilyError",
    "Finding",
    "FoldScores",
    "FormulaError",
    "GroupScores",
    "Inclusion",
    "LikelihoodRatio",
    "MarginalMeans",
    "MixcheckError",
    "MixcheckWarning",
    "ModelAverage",
    "OptionError",
    "OutputError",
    "PartitionedGLMM",
    "Policy",
    "Profile",
    "QuasiAIC",
    "Refits",
    "RenamedWarning",
    "Replicates",
    "Report",
    "Residuals",
    "RowScores",
    "ScoreDifference",
    "Selection",
    "SeparationError",
    "SeparationWarning",
    "Skipped",
    "Suggestions",
    "Suite",
    "Takeuchi",
    "UnknownArgumentError",
    "UnknownCheckError",
    "UnknownColumnError",
    "UnseenLevelError",
    "Verdict",
    "Vuong",
    "WorkerError",
    "aic",
    "aicc",
    "average",
    "bic",
    "bootstrap_lrt",
    "caic",
    "check",
    "checks",
    "compare",
    "comparisons",
    "contrasts",
    "datasets",
    "emmeans",
    "exact_lrt",
    "families",
    "from_distribution",
    "from_draws",
    "from_fit",
    "from_inference_data",
    "glmm",
    "glmm_partitions",
    "icc",
    "inclusion",
    "kfold",
    "load",
    "logo",
    "loo",
    "lrt",
    "model_weights",
    "plots",
    "priors",
    "qaic",
    "r2",
    "replicate",
    "residuals",
    "select",
    "slopes",
    "suggest",
    "tic",
    "vuong",
]


def __dir__() -> list[str]:
    """The public names: the rooms behind them are not part of the table of contents."""
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
