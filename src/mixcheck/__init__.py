"""Fit, check and compare generalized linear mixed models.

The public names, in the order in which they are used.
"""

# ruff: noqa: I001  # this order is that of the work, not of the alphabet

__version__ = "0.1.0"

# data and families
from mixcheck import datasets as datasets
from mixcheck import families as families
from mixcheck import priors as priors

# fit, or bring draws of a model fitted elsewhere
from mixcheck.fitting.glmm import glmm as glmm
from mixcheck.fitting.results.glmm_fit import GLMM as GLMM
from mixcheck.adapters.draws import from_draws as from_draws

# replicate data sets and residuals
from mixcheck.simulation import simulate as simulate
from mixcheck.quantile_residuals import residuals as residuals
from mixcheck.quantile_residuals import Residuals as Residuals

# checks
from mixcheck import checks as checks
from mixcheck.checks.suite import Suite as Suite
from mixcheck.checks.suite import run_checks as _run_checks

# what was found and how it is judged
from mixcheck.report.finding import Finding as Finding
from mixcheck.report.finding import Skipped as Skipped
from mixcheck.report.policy import Policy as Policy
from mixcheck.report.policy import Verdict as Verdict
from mixcheck.report.report import Report as Report

# comparison
from mixcheck.comparison.criteria import aic as aic
from mixcheck.comparison.criteria import bic as bic
from mixcheck.comparison.conditional import caic as caic
from mixcheck.comparison.conditional import ConditionalAIC as ConditionalAIC
from mixcheck.comparison.likelihood_ratio import lrt as lrt
from mixcheck.comparison.likelihood_ratio import LikelihoodRatio as LikelihoodRatio
from mixcheck.comparison.bootstrap import bootstrap_lrt as bootstrap_lrt
from mixcheck.comparison.bootstrap import BootstrapRatio as BootstrapRatio
from mixcheck.comparison.non_nested import vuong as vuong
from mixcheck.comparison.non_nested import Vuong as Vuong
from mixcheck.comparison.group_scores import logo as logo
from mixcheck.comparison.group_scores import GroupScores as GroupScores
from mixcheck.comparison.row_scores import loo as loo
from mixcheck.comparison.row_scores import RowScores as RowScores
from mixcheck.comparison.score_difference import ScoreDifference as ScoreDifference
from mixcheck.comparison.table import compare as compare
from mixcheck.comparison.table import Comparison as Comparison

# model selection, and what to try after a failing check
from mixcheck.selection.selection import Selection as Selection
from mixcheck.selection.select import select as select
from mixcheck.selection.suggestions import Suggestions as Suggestions
from mixcheck.selection.suggestions import suggest as suggest

# errors
from mixcheck.errors import ChecksFailed as ChecksFailed
from mixcheck.errors import ComparisonError as ComparisonError
from mixcheck.errors import ConvergenceError as ConvergenceError
from mixcheck.errors import DataError as DataError
from mixcheck.errors import DesignError as DesignError
from mixcheck.errors import FamilyError as FamilyError
from mixcheck.errors import FormulaError as FormulaError
from mixcheck.errors import MixcheckError as MixcheckError
from mixcheck.errors import OptionError as OptionError
from mixcheck.errors import OutputError as OutputError
from mixcheck.errors import SeparationError as SeparationError
from mixcheck.errors import UnknownArgumentError as UnknownArgumentError
from mixcheck.errors import UnknownCheckError as UnknownCheckError
from mixcheck.errors import UnknownColumnError as UnknownColumnError
from mixcheck.errors import UnseenLevelError as UnseenLevelError
from mixcheck.errors import WorkerError as WorkerError

# warnings
from mixcheck.errors import BoundaryWarning as BoundaryWarning
from mixcheck.errors import ConvergenceWarning as ConvergenceWarning
from mixcheck.errors import DataWarning as DataWarning
from mixcheck.errors import MixcheckWarning as MixcheckWarning
from mixcheck.errors import RenamedWarning as RenamedWarning
from mixcheck.errors import SeparationWarning as SeparationWarning

check = _run_checks
