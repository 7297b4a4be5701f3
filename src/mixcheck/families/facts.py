"""What a model says of its response through its family, whoever fitted it."""

from __future__ import annotations

from mixcheck.families.family import Family

__all__ = ["FamilyFacts"]


class FamilyFacts:
    """Facts that the port asks of a model and that follow from its family."""

    @property
    def family(self) -> Family:
        """The distribution of a response given its predictors."""
        raise NotImplementedError

    @property
    def discrete(self) -> bool:
        """Whether the response has probability masses."""
        return self.family.discrete

    @property
    def fits_variance(self) -> bool:
        """Whether the mean squared residual is what the model was fitted to."""
        return self.family.fits_variance

    @property
    def fits_frequencies(self) -> bool:
        """Whether the model was fitted to how often each value occurs."""
        return self.family.fits_frequencies

    @property
    def heavy_tailed(self) -> bool:
        """Whether a response far out says little of the mean."""
        return self.family.heavy_tailed

    @property
    def family_limits(self) -> tuple[str, ...]:
        """Families that the model's comes to where a predictor beside the mean runs to an end."""
        return self.family.limits

    @property
    def whole_families(self) -> tuple[str, ...]:
        """Families that the model's is where its zero part has a value for each mean."""
        return self.family.whole
