"""The port: what a fitted model must be able to do to be checked and compared.

Everything after this module (simulation, residuals, checks, report, comparison)
sees a model only through these protocols. Our own fit goes through the same door
as anybody else's. Each file has the protocols of one purpose; all are imported from here.
"""

from __future__ import annotations

from mixcheck.port.checking import (
    BatchObservable,
    BatchRefittable,
    Checkable,
    Dispersed,
    Drawn,
    Enumerable,
    Refittable,
    Repeating,
    Tailed,
    Weighted,
)
from mixcheck.port.comparing import (
    Comparable,
    DataRows,
    GroupDerivatives,
    Groupwise,
    LikelihoodKind,
    Rescalable,
    Traceable,
)
from mixcheck.port.data_view import (
    CONDITIONINGS,
    Conditioning,
    DataView,
    FoundTransform,
    ProbabilityTransform,
)
from mixcheck.port.divided import Divided, Parts, SeenInParts, parts_of
from mixcheck.port.entry import Adapter, Ported, port_of, register_adapter
from mixcheck.port.estimates import (
    Approximate,
    ApproximationFacts,
    ConvergenceFacts,
    Converging,
    Counting,
    CovarianceEstimates,
    Covarying,
    Estimated,
    Estimating,
    Grouped,
    Levelled,
    Noted,
    PartEstimates,
    Reducible,
    TermLevels,
)
from mixcheck.port.influence import (
    PERTURBATION_METHODS,
    BatchPerturbations,
    ConditionalLikelihood,
    Foldable,
    Optimism,
    PerturbationMethod,
    Perturbations,
    RowDistribution,
    RowPosterior,
    Rowwise,
)
from mixcheck.port.predicting import Combinations, MovingPrediction, Predicting, PredictionOf
from mixcheck.port.row_hashes import digest_rows
from mixcheck.port.scores import Scored, ScoreProjection
from mixcheck.port.variance import Partitioned, VarianceParts

__all__ = [
    "CONDITIONINGS",
    "PERTURBATION_METHODS",
    "Adapter",
    "Approximate",
    "ApproximationFacts",
    "BatchObservable",
    "BatchPerturbations",
    "BatchRefittable",
    "Checkable",
    "Combinations",
    "Comparable",
    "ConditionalLikelihood",
    "Conditioning",
    "ConvergenceFacts",
    "Converging",
    "Counting",
    "CovarianceEstimates",
    "Covarying",
    "DataRows",
    "DataView",
    "Dispersed",
    "Divided",
    "Drawn",
    "Enumerable",
    "Estimated",
    "Estimating",
    "Foldable",
    "FoundTransform",
    "GroupDerivatives",
    "Grouped",
    "Groupwise",
    "Levelled",
    "LikelihoodKind",
    "MovingPrediction",
    "Noted",
    "Optimism",
    "PartEstimates",
    "Partitioned",
    "Parts",
    "PerturbationMethod",
    "Perturbations",
    "Ported",
    "Predicting",
    "PredictionOf",
    "ProbabilityTransform",
    "Reducible",
    "Refittable",
    "Repeating",
    "Rescalable",
    "RowDistribution",
    "RowPosterior",
    "Rowwise",
    "ScoreProjection",
    "Scored",
    "SeenInParts",
    "Tailed",
    "TermLevels",
    "Traceable",
    "VarianceParts",
    "Weighted",
    "digest_rows",
    "parts_of",
    "port_of",
    "register_adapter",
]
