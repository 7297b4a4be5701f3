# Profile intervals of lme4 (confint of profile()), written to profile.json beside this file.
# Tolerances are tighter, and points of the profile closer, than by default, so that neither the
# optimiser nor the interpolation between points is seen in six digits.
#
#   Rscript validation/reference/profile.R
library(lme4)
library(jsonlite)

intervals <- function(fit, level = 0.95) {
  found <- confint(profile(fit, signames = FALSE, delta = 0.25, devtol = 1e-6), level = level)
  list(names = rownames(found), low = unname(found[, 1]), high = unname(found[, 2]))
}

binomial <- glmer(
  cbind(incidence, size - incidence) ~ period + (1 | herd), cbpp, binomial,
  control = glmerControl(
    optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9, maxfun = 1e5), tolPwrss = 1e-12
  )
)
linear <- lmer(
  Reaction ~ Days + (Days | Subject), sleepstudy, REML = FALSE,
  control = lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9, maxfun = 1e5))
)
out <- list(
  versions = list(R = as.character(getRversion()), lme4 = as.character(packageVersion("lme4"))),
  cbpp = intervals(binomial),
  sleepstudy = intervals(linear)
)
file <- sub("--file=", "", grep("--file=", commandArgs(), value = TRUE))
write(
  toJSON(out, digits = NA, auto_unbox = TRUE, pretty = TRUE),
  file.path(dirname(file), "profile.json")
)
