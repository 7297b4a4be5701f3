# glmmTMB with its defaults on the tables of scenarios.py:
#   Rscript validation/fitting/several_parts.R FOLDER validation/fitting/glmmtmb.csv
# About half an hour on one core. Only random effects of the mean and of the zero part: this
# version takes none in the dispersion.
suppressMessages(library(glmmTMB))
asked <- commandArgs(trailingOnly = TRUE)
models <- read.csv(file.path(asked[1], "zinb.csv"), stringsAsFactors = FALSE)
version <- as.character(packageVersion("glmmTMB"))
for (i in seq_len(nrow(models))) {
  m <- models[i, ]
  d <- read.csv(file.path(asked[1], sprintf("zinb-%d.csv", m$k)))
  d$g <- factor(d$g)
  d$h <- factor(d$h)
  t <- system.time(fit <- tryCatch(suppressWarnings(
    glmmTMB(as.formula(m$formula), ziformula = as.formula(m$zi), family = m$family, data = d)
  ), error = function(e) NULL))[["elapsed"]]
  clean <- FALSE
  value <- NA
  par <- NA
  if (!is.null(fit)) {
    clean <- isTRUE(fit$sdr$pdHess) && fit$fit$convergence == 0
    # The objective, kept where logLik() hides it.
    value <- -fit$fit$objective
    par <- paste(format(fit$fit$par, digits = 15), collapse = " ")
  }
  row <- data.frame(k = m$k, clean = clean, llf = sprintf("%.8f", value), par = par,
                    seconds = round(t, 2), glmmTMB = version)
  write.table(row, asked[2], sep = ",", row.names = FALSE, col.names = i == 1, append = i > 1)
}
