# AICc, QAIC and the stacking and pseudo-BMA+ weights of other programs, for tests/comparison.
# Rscript validation/comparison/criteria.R > validation/comparison/criteria.json
suppressMessages({library(lme4); library(bbmle); library(jsonlite); library(loo)})
data(grouseticks)
year <- glmer(TICKS ~ YEAR + (1 | BROOD), grouseticks, poisson)
altitude <- glmer(TICKS ~ YEAR + cHEIGHT + (1 | BROOD), grouseticks, poisson)
dispersion <- sum(residuals(altitude, "pearson")^2) / df.residual(altitude)
# bbmle's table of "qAIC" does not count the dispersion; Burnham and Anderson, and MuMIn, do.
qaic <- ICtab(year, altitude, type = "qAIC", dispersion = dispersion, base = TRUE, sort = FALSE)
aicc <- ICtab(year, altitude, type = "AICc", nobs = nobs(year), base = TRUE, sort = FALSE)
# Log scores from a formula, so that another program can make them: 40 rows, 3 models.
i <- 1:40
scores <- cbind(-1.2 - 0.8 * sin(i), -1.2 + 0.8 * sin(i), -1.5 + 0.6 * cos(2.3 * i))
version <- function(name) as.character(packageVersion(name))
cat(toJSON(list(
  versions = list(R = R.version.string, lme4 = version("lme4"), bbmle = version("bbmle"),
                  loo = version("loo")),
  ticks = list(dispersion = dispersion, aicc = aicc$AICc, qaic_without_dispersion = qaic$qAIC),
  weights = list(stacking = as.numeric(stacking_weights(scores)),
                 pseudo_bma = as.numeric(pseudobma_weights(scores, BB = FALSE)))
), auto_unbox = TRUE, digits = 12, pretty = TRUE))
