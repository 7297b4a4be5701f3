# Degrees of freedom and adjusted covariances by lmerTest, pbkrtest and nlme, polished fits of lme4.
#   Rscript validation/inference/small_samples.R
suppressMessages({library(lme4); library(lmerTest); library(pbkrtest); library(nlme); library(jsonlite)})
tight <- lmerControl(optimizer = "bobyqa", optCtrl = list(rhobeg = 1e-3, rhoend = 1e-12, maxfun = 1e5))

set.seed(11)
crossed <- expand.grid(subject = sprintf("s%02d", 1:12), item = sprintf("i%d", 1:8))
crossed$x <- round(rnorm(96), 2)
crossed$z <- round(rnorm(12), 2)[as.integer(crossed$subject)]
crossed$arm <- c("a", "b", "c")[1 + as.integer(crossed$subject) %% 3]
b0 <- rnorm(12, 0, 1.2); b1 <- rnorm(12, 0, 0.7); d <- rnorm(8, 0, 0.8)
crossed$y <- round(2 + 0.5 * crossed$x + 0.4 * crossed$z + b0[as.integer(crossed$subject)] +
  b1[as.integer(crossed$subject)] * crossed$x + d[as.integer(crossed$item)] + rnorm(96), 3)
crossed <- crossed[sort(sample(96, 61)), ]
crossed$w <- round(runif(61, 0.5, 2), 2)

cases <- list(
  sleepstudy = list(y ~ x + (x | g), setNames(sleepstudy[, 1:3], c("y", "x", "g")), list(diag(2))),
  crossed = list(y ~ x + z + arm + (x | subject) + (1 | item), crossed,
    list(diag(5)[4:5, ], rbind(c(0, 1, 0, 0, 0), c(0, 0, 1, 0, 0), c(0, 0, 0, 1, -1)))),
  uncorrelated = list(y ~ x * z + (x || subject), crossed, list(diag(4)[2:4, ])),
  weighted = list(y ~ x + z + (1 | subject), crossed, list(diag(3)[2:3, ]))
)

run <- function(case, name) {
  weights <- if (name == "weighted") case[[2]]$w else NULL
  data <- case[[2]]
  if (!is.null(weights)) data$weights_ <- weights
  fit <- function(reml) {
    if (is.null(weights)) lmerTest::lmer(case[[1]], data, REML = reml, control = tight)
    else lmerTest::lmer(case[[1]], data, REML = reml, weights = weights_, control = tight)
  }
  out <- list(formula = paste(deparse(case[[1]]), collapse = ""), data = as.list(data))
  for (reml in c(TRUE, FALSE)) {
    m <- fit(reml)
    s <- coef(summary(m, ddf = "Satterthwaite"))
    one <- list(estimate = unname(s[, 1]), error = unname(s[, 2]), df = unname(s[, 3]),
      joint = lapply(case[[3]], function(L) {
        f <- contestMD(m, L); list(L = L, F = f[["F value"]], df = f[["NumDF"]], ddf = f[["DenDF"]])
      }))
    out[[if (reml) "satterthwaite_reml" else "satterthwaite_ml"]] <- one
  }
  m <- fit(TRUE)
  stopifnot(!isSingular(m, tol = 1e-3), !isSingular(fit(FALSE), tol = 1e-3))
  # pbkrtest takes no weights into account; see its help.
  if (is.null(weights)) {
    plain <- lme4::lmer(case[[1]], data, REML = TRUE, control = tight)
    k <- coef(summary(m, ddf = "Kenward-Roger"))
    out$kenward_roger <- list(error = unname(k[, 2]), df = unname(k[, 3]),
      covariance = unname(as.matrix(vcovAdj(plain))),
      joint = lapply(case[[3]], function(L) {
        t <- KRmodcomp(plain, L)$stats
        list(L = L, F = t$Fstat, df = t$ndf, ddf = t$ddf, scale = t$F.scaling)
      }))
  }
  out
}

result <- mapply(run, cases, names(cases), SIMPLIFY = FALSE)

# Between the levels and within them: the rule of nlme, of which the intercept differs by design.
pastes <- transform(lme4::Pastes, u = round(as.integer(batch) / 3, 2), v = as.integer(cask))
pastes$w <- round(sin(seq_len(nrow(pastes))), 3)
nested <- lme(strength ~ u + factor(v) + w, random = ~ 1 | batch/cask, data = pastes)
orthodont <- lme(distance ~ age * Sex, random = ~ 1 | Subject, data = as.data.frame(nlme::Orthodont))
between_within <- list(
  pastes = list(data = list(strength = pastes$strength, batch = as.character(pastes$batch),
    cask = as.character(pastes$cask), u = pastes$u, w = pastes$w),
    df = unname(nested$fixDF$X), names = names(nested$fixDF$X)),
  orthodont = list(df = unname(orthodont$fixDF$X), names = names(orthodont$fixDF$X))
)
versions <- sapply(c("lme4", "lmerTest", "pbkrtest", "nlme"), function(p) as.character(packageVersion(p)))
write_json(list(versions = as.list(c(R = as.character(getRversion()), versions)), cases = result,
  between_within = between_within), "validation/inference/small_samples.json",
  digits = NA, auto_unbox = TRUE, matrix = "rowmajor")
