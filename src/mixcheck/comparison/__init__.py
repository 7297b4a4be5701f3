"""Models to a table: criteria, tests of nested and other models, scores of what was left out."""

from mixcheck.comparison.averaging import average
from mixcheck.comparison.bootstrap import BootstrapRatio, bootstrap_lrt
from mixcheck.comparison.compared import ComparedModel, Comparison
from mixcheck.comparison.conditional import ConditionalAIC, caic
from mixcheck.comparison.criteria import aic, aicc, bic
from mixcheck.comparison.exact import ExactRatio, exact_lrt
from mixcheck.comparison.group_scores import GroupScores, logo
from mixcheck.comparison.k_fold import FoldScores, kfold
from mixcheck.comparison.likelihood_ratio import LikelihoodRatio, lrt
from mixcheck.comparison.model_average import ModelAverage
from mixcheck.comparison.non_nested import Vuong, vuong
from mixcheck.comparison.quasi_aic import QuasiAIC, qaic
from mixcheck.comparison.row_scores import RowScores, loo
from mixcheck.comparison.score_difference import ScoreDifference
from mixcheck.comparison.table import compare
from mixcheck.comparison.takeuchi import Takeuchi, tic
from mixcheck.comparison.weights import model_weights

__all__ = [
    "BootstrapRatio",
    "ComparedModel",
    "Comparison",
    "ConditionalAIC",
    "ExactRatio",
    "FoldScores",
    "GroupScores",
    "LikelihoodRatio",
    "ModelAverage",
    "QuasiAIC",
    "RowScores",
    "ScoreDifference",
    "Takeuchi",
    "Vuong",
    "aic",
    "aicc",
    "average",
    "bic",
    "bootstrap_lrt",
    "caic",
    "compare",
    "exact_lrt",
    "kfold",
    "logo",
    "loo",
    "lrt",
    "model_weights",
    "qaic",
    "tic",
    "vuong",
]
