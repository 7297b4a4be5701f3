"""Questions about a model: residuals to findings."""

from mixcheck.arguments.calls import answer_methods
from mixcheck.checks.autocorrelation import Autocorrelation
from mixcheck.checks.calibration import Calibration
from mixcheck.checks.check import KINDS, Check, Suite, check_from_dict, known_kinds
from mixcheck.checks.collinearity import Collinearity
from mixcheck.checks.convergence import Convergence
from mixcheck.checks.counts import Count, Zeros
from mixcheck.checks.dispersion import Dispersion
from mixcheck.checks.groups import Groups
from mixcheck.checks.heaping import Heaping
from mixcheck.checks.hurdle_zeros import HurdleZeros
from mixcheck.checks.influence import Influence
from mixcheck.checks.interaction import Interaction
from mixcheck.checks.laplace_adequacy import LaplaceAdequacy
from mixcheck.checks.link import Link
from mixcheck.checks.missing_group import MissingGroup
from mixcheck.checks.missing_predictor import MissingPredictor
from mixcheck.checks.missing_slope import MissingSlope
from mixcheck.checks.outliers import Outliers
from mixcheck.checks.outlying_groups import OutlyingGroups
from mixcheck.checks.phylogenetic import Phylogenetic
from mixcheck.checks.quantiles import Quantiles
from mixcheck.checks.random_effects import RandomEffects
from mixcheck.checks.rootogram import Rootogram
from mixcheck.checks.separation import Separation
from mixcheck.checks.singularity import Singularity
from mixcheck.checks.spatial import Spatial
from mixcheck.checks.spread import Spread
from mixcheck.checks.statistic import CheckContext, CheckStatistic, NullSample
from mixcheck.checks.trend import Trend
from mixcheck.checks.uniformity import Uniformity
from mixcheck.checks.user_statistic import DataSet, Statistic
from mixcheck.checks.wrappers import By as By
from mixcheck.checks.wrappers import Named as Named
from mixcheck.checks.wrappers import Where as Where
from mixcheck.port import DataView
from mixcheck.report.finding import Effect, Finding, Skipped

__all__ = [
    "Autocorrelation",
    "Calibration",
    "Check",
    "CheckContext",
    "CheckStatistic",
    "Collinearity",
    "Convergence",
    "Count",
    "DataSet",
    "DataView",
    "Dispersion",
    "Effect",
    "Finding",
    "Groups",
    "Heaping",
    "HurdleZeros",
    "Influence",
    "Interaction",
    "LaplaceAdequacy",
    "Link",
    "MissingGroup",
    "MissingPredictor",
    "MissingSlope",
    "NullSample",
    "Outliers",
    "OutlyingGroups",
    "Phylogenetic",
    "Quantiles",
    "RandomEffects",
    "Rootogram",
    "Separation",
    "Singularity",
    "Skipped",
    "Spatial",
    "Spread",
    "Statistic",
    "Suite",
    "Trend",
    "Uniformity",
    "Zeros",
    "check_from_dict",
    "known_kinds",
]

KINDS.answer_constructors()
for _written_by_users in (CheckContext, CheckStatistic, DataView, NullSample):
    answer_methods(_written_by_users)
