# Writes the data sets that come with R packages as CSV, with the order of factor levels and
# the versions they were taken from. Run from the root of the repository:
#   Rscript validation/datasets/extract.R src/mixcheck/datasets validation/datasets/versions.csv

arguments <- commandArgs(trailingOnly = TRUE)
folder <- arguments[1]
versions <- arguments[2]

sources <- list(
  lme4 = c("cbpp", "grouseticks", "sleepstudy", "Dyestuff2", "Pastes"),
  glmmTMB = c("Owls", "Salamanders"),
  MASS = c("bacteria", "epil"),
  nlme = "Orthodont"
)

levels_of <- function(name, frame) {
  factors <- names(frame)[vapply(frame, is.factor, logical(1))]
  do.call(rbind, lapply(factors, function(column) {
    data.frame(dataset = name, column = column, level = levels(frame[[column]]))
  }))
}

written <- list()
for (package in names(sources)) {
  for (name in sources[[package]]) {
    holder <- new.env()
    data(list = name, package = package, envir = holder)
    frame <- as.data.frame(get(name, envir = holder))
    write.csv(frame, file.path(folder, paste0(name, ".csv")), row.names = FALSE, quote = FALSE)
    written[[name]] <- levels_of(name, frame)
  }
}
write.csv(do.call(rbind, written), file.path(folder, "r_levels.csv"),
  row.names = FALSE, quote = FALSE
)

taken <- data.frame(
  package = c("R", names(sources)),
  version = c(
    as.character(getRversion()),
    vapply(names(sources), function(p) as.character(packageVersion(p)), "")
  )
)
write.csv(taken, versions, row.names = FALSE, quote = FALSE)
