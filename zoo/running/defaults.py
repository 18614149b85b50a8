"""Which systems are trained when nobody names any; nothing of torch is imported here."""

# Strong together, without downloaded weights, in minutes on a laptop; each of them also learns from a single machine.
DEFAULT_SYSTEMS = ("log_mel_knn", "log_mel_stats_knn", "log_mel_quantiles_knn", "nf_cdee", "dual_branch_cnn_robust")
OF_ONE_CLASS = ("nf_cdee", "autoencoder", "log_mel_knn", "log_mel_stats_knn")  # densities, reconstruction, distances of spectra
FROZEN = ("beats_frozen", "eat_frozen")  # beside them, where their checkpoints are here
BUDGET_SYSTEMS = (*DEFAULT_SYSTEMS, "log_mel_pca", "autoencoder", *FROZEN, "beats_lora", "eat_lora")  # with `--budget`
