# Tables that may not be shipped here, written from the R packages that have them.
#
# Run: Rscript validation/published/export.R DIR
# Writes DIR/{VerbAgg,Penicillin,hessianfly}.csv from lme4, and DIR/{BoothHobert,salamander_lme4}.csv
# where the package glmm is installed.

directory <- commandArgs(TRUE)[1]
if (is.na(directory)) stop("write the directory for the tables: Rscript export.R DIR")
dir.create(directory, showWarnings = FALSE, recursive = TRUE)

write <- function(data, name) {
  write.csv(data, file.path(directory, paste0(name, ".csv")), row.names = FALSE)
}

data("VerbAgg", package = "lme4")
write(transform(VerbAgg, r2 = as.integer(r2 == "Y")), "VerbAgg")
data("Penicillin", package = "lme4")
write(Penicillin, "Penicillin")
load(system.file("testdata", "gotway_hessianfly.rda", package = "lme4"))
write(gotway.hessianfly, "hessianfly")
if (requireNamespace("glmm", quietly = TRUE)) {
  data("BoothHobert", package = "glmm")
  write(BoothHobert, "BoothHobert")
  data("salamander", package = "glmm")
  write(salamander, "salamander_lme4")
}
