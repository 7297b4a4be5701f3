# What lme4, glmmTMB and cAIC4 print of public data, beside which `python -m validation published`
# puts ours.
#
# Fits are converged further than the defaults of the packages do, as the name of each entry's
# engine says; cAIC4 is called as its manual does.
#
# Run:    Rscript validation/published/r_values.R [DIR]     (3 minutes)
# Reads:  the data of the packages, tests/data/corr1.csv, and DIR/salamander_lme4.csv
# Writes: validation/published/r_values.json
# Needs:  lme4, glmmTMB, MASS, cAIC4, jsonlite.

suppressPackageStartupMessages({
  library(lme4)
  library(glmmTMB)
  library(cAIC4)
})

here <- local({
  file <- sub("^--file=", "", grep("^--file=", commandArgs(FALSE), value = TRUE))
  if (length(file)) dirname(normalizePath(file)) else "validation/published"
})
external <- commandArgs(TRUE)[1]

data(list = c("cbpp", "grouseticks", "sleepstudy", "Pastes", "Penicillin", "VerbAgg", "Dyestuff2"),
     package = "lme4")
data(list = c("Owls", "Salamanders"), package = "glmmTMB")
epil <- within(MASS::epil, {
  lbase4 <- log(base / 4)
  lage_raw <- log(age)
  Trt <- as.numeric(trt == "progabide")
})
bacteria <- within(MASS::bacteria, {
  late <- as.numeric(week > 2)
  y <- as.numeric(y == "y")
})
corr1 <- read.csv(file.path(here, "..", "..", "tests", "data", "corr1.csv"))
grouseticks$cH <- (grouseticks$HEIGHT - 460) / 50
VerbAgg$y <- as.numeric(VerbAgg$r2 == "Y")

# ---- lme4 ---------------------------------------------------------------------------------------

tight <- list(xtol_abs = 1e-10, xtol_rel = 0, ftol_abs = 1e-12, maxeval = 20000)

spread <- function(fit) {
  vc <- as.data.frame(VarCorr(fit))
  vc <- vc[is.na(vc$var2), ]
  as.list(setNames(vc$sdcor, vc$grp))
}

# log f of the saturated model, which lme4 leaves out with more than one node.
saturated <- function(fit) {
  y <- getME(fit, "y")
  w <- weights(fit)
  sum(dbinom(round(y * w), w, y, log = TRUE))
}

lme4_fit <- function(formula, data, family = NULL, nodes = 1, ...) {
  if (is.null(family)) {
    fit <- lmer(formula, data, control = lmerControl(optimizer = "nloptwrap", optCtrl = tight), ...)
  } else {
    control <- glmerControl(optimizer = "nloptwrap", optCtrl = tight, tolPwrss = 1e-12,
                            check.conv.grad = "ignore", calc.derivs = FALSE)
    fit <- glmer(formula, data, family, nAGQ = nodes, control = control, ...)
  }
  llf <- as.numeric(logLik(fit)) + if (nodes > 1) saturated(fit) else 0
  list(engine = paste("lme4", packageVersion("lme4")), llf = llf, fixef = as.list(fixef(fit)),
       sd = spread(fit))
}

lme4_values <- list(
  cbpp_agq0 = lme4_fit(cbind(incidence, size - incidence) ~ period + (1 | herd), cbpp, binomial, 0),
  cbpp_agq1 = lme4_fit(cbind(incidence, size - incidence) ~ period + (1 | herd), cbpp, binomial),
  cbpp_agq9 = lme4_fit(cbind(incidence, size - incidence) ~ period + (1 | herd), cbpp, binomial, 9),
  grouseticks_agq0 = lme4_fit(TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | INDEX) + (1 | LOCATION),
                              grouseticks, poisson, 0),
  grouseticks_agq1 = lme4_fit(TICKS ~ YEAR + cHEIGHT + (1 | BROOD) + (1 | INDEX) + (1 | LOCATION),
                              grouseticks, poisson),
  epil_crossed = lme4_fit(y ~ lbase4 * Trt + lage_raw + (1 | subject) + (1 | period), epil,
                          poisson),
  sleepstudy_crossed = lme4_fit(Reaction ~ 1 + (1 | Days) + (1 | Subject), sleepstudy),
  penicillin_crossed = lme4_fit(diameter ~ 1 + (1 | plate) + (1 | sample), Penicillin),
  verbagg_crossed = lme4_fit(y ~ Anger + Gender + btype + situ + (1 | id) + (1 | item), VerbAgg,
                             binomial)
)
if (!is.na(external)) {
  salamander <- read.csv(file.path(external, "salamander_lme4.csv"))
  lme4_values$salamander_crossed <-
    lme4_fit(Mate ~ 0 + Cross + (1 | Female) + (1 | Male), salamander, binomial)
}

# ---- glmmTMB --------------------------------------------------------------------------------------

glmmtmb_fit <- function(formula, data, family, zi = ~ 0, disp = ~ 1) {
  fit <- glmmTMB(formula, data, family, ziformula = zi, dispformula = disp,
                 control = glmmTMBControl(optCtrl = list(eval.max = 5000, iter.max = 5000,
                                                         rel.tol = 1e-15, x.tol = 1e-12)))
  obj <- fit$obj
  par <- fit$fit$par
  for (step in 1:4) {
    move <- solve(optimHess(par, obj$fn, obj$gr), as.numeric(obj$gr(par)))
    if (obj$fn(par - move) > obj$fn(par)) break
    par <- par - move
  }
  part <- function(name) as.list(unname(par[names(par) == name]))
  list(engine = paste("glmmTMB", packageVersion("glmmTMB")), llf = -as.numeric(obj$fn(par)),
       gradient = max(abs(obj$gr(par))), fixef = setNames(part("beta"), names(fixef(fit)$cond)),
       zi = setNames(part("betazi"), names(fixef(fit)$zi)), betad = part("betad"),
       log_sd = part("theta"))
}

owls <- SiblingNegotiation ~ (FoodTreatment + ArrivalTime) * SexParent + offset(log(BroodSize)) +
  (1 | Nest)
sal <- count ~ spp + mined + (1 | site)
glmmtmb_values <- list(
  owls_zip = glmmtmb_fit(owls, Owls, poisson, ~ 1),
  owls_nbinom1 = glmmtmb_fit(owls, Owls, nbinom1),
  owls_zinb1 = glmmtmb_fit(owls, Owls, nbinom1, ~ 1),
  owls_zinb2 = glmmtmb_fit(owls, Owls, nbinom2, ~ 1),
  salamanders_nbinom2 = glmmtmb_fit(sal, Salamanders, nbinom2),
  salamanders_zip = glmmtmb_fit(sal, Salamanders, poisson, ~ mined),
  salamanders_zinb2 = glmmtmb_fit(sal, Salamanders, nbinom2, ~ mined),
  salamanders_dispersion = glmmtmb_fit(sal, Salamanders, nbinom2, ~ 0, ~ spp)
)

# ---- cAIC4 ------------------------------------------------------------------------------------------

caic4 <- function(fit) {
  value <- suppressWarnings(cAIC(fit))
  list(engine = paste("cAIC4", packageVersion("cAIC4")), llf = value$loglikelihood, df = value$df,
       caic = value$caic)
}
gaussian <- function(formula, data, REML = TRUE) {
  caic4(lmer(formula, data, REML,
             control = lmerControl(optimizer = "nloptwrap", optCtrl = tight)))
}
tighter <- glmerControl(tolPwrss = 1e-10)

sleepstudy_slope <- Reaction ~ Days + (Days | Subject)
caic4_values <- list(
  sleepstudy_slope = gaussian(sleepstudy_slope, sleepstudy),
  sleepstudy_slope_ml = gaussian(sleepstudy_slope, sleepstudy, FALSE),
  sleepstudy_intercept = gaussian(Reaction ~ Days + (1 | Subject), sleepstudy),
  sleepstudy_intercept_ml = gaussian(Reaction ~ Days + (1 | Subject), sleepstudy, FALSE),
  sleepstudy_crossed = gaussian(Reaction ~ 1 + (1 | Days) + (1 | Subject), sleepstudy),
  pastes_sample = gaussian(strength ~ 1 + (1 | sample), Pastes),
  dyestuff2 = gaussian(Yield ~ 1 + (1 | Batch), Dyestuff2),
  # By the default search, which stops at 2e-5 of the boundary: at it cAIC4 takes the slope out.
  corr1 = caic4(lmer(y ~ x + (x | g), corr1)),
  grouseticks_poisson = caic4(glmer(TICKS ~ YEAR + cH + (1 | BROOD), grouseticks, poisson,
                                    control = tighter)),
  epil_poisson = caic4(glmer(y ~ lbase4 * Trt + lage_raw + V4 + (1 | subject), epil, poisson,
                             control = tighter)),
  bacteria_bernoulli = caic4(glmer(y ~ trt + late + (1 | ID), bacteria, binomial,
                                   control = tighter))
)

versions <- c("lme4", "glmmTMB", "TMB", "Matrix", "MASS", "cAIC4")
jsonlite::write_json(
  list(versions = c(list(R = as.character(getRversion())),
                    lapply(setNames(nm = versions), function(p) as.character(packageVersion(p)))),
       lme4 = lme4_values, glmmtmb = glmmtmb_values, caic4 = caic4_values),
  file.path(here, "r_values.json"), auto_unbox = TRUE, digits = 12, pretty = TRUE, null = "null")
