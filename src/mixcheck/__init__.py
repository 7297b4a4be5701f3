"""Fit, check and compare generalized linear mixed models."""

from mixcheck import datasets as datasets
from mixcheck import families as families
from mixcheck.fitting.fitted import GLMM as GLMM
from mixcheck.fitting.glmm import glmm as glmm

__version__ = "0.1.0"
