# R2 and ICC of the package performance, written to r_squared.json beside this file. Its variance of
# a count is at another mean than that of Nakagawa, Johnson and Schielzeth (2017), so that counts
# are left out.
#
#   Rscript validation/reference/r_squared.R
suppressMessages({
  library(lme4)
  library(performance)
  library(jsonlite)
})

tight <- glmerControl(
  optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9, maxfun = 1e5), tolPwrss = 1e-12
)
linear <- function(reml) {
  lmer(
    Reaction ~ Days + (Days | Subject), sleepstudy, REML = reml,
    control = lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9, maxfun = 1e5))
  )
}
bacteria <- MASS::bacteria
binomial <- glmer(
  y ~ trt + I(week > 2) + (1 | ID), bacteria, binomial, control = tight
)
shares <- function(fit) {
  squares <- r2_nakagawa(fit)
  correlation <- icc(fit)
  list(
    marginal = unname(squares$R2_marginal), conditional = unname(squares$R2_conditional),
    adjusted = correlation$ICC_adjusted, unadjusted = correlation$ICC_unadjusted
  )
}
out <- list(
  versions = list(
    R = as.character(getRversion()), lme4 = as.character(packageVersion("lme4")),
    performance = as.character(packageVersion("performance"))
  ),
  sleepstudy = shares(linear(FALSE)),
  restricted = shares(linear(TRUE)),
  bacteria = shares(binomial)
)
file <- sub("--file=", "", grep("--file=", commandArgs(), value = TRUE))
write(
  toJSON(out, digits = NA, auto_unbox = TRUE, pretty = TRUE),
  file.path(dirname(file), "r_squared.json")
)
