"""Which systems are trained when nobody names any; nothing of torch is imported here."""

DEFAULT_SYSTEMS = ("nf_cdee", "dual_branch_cnn")  # those that need no downloaded weights
OF_ONE_CLASS = ("nf_cdee", "autoencoder", "log_mel_knn", "log_mel_stats_knn")  # densities, reconstruction, distances of spectra
FROZEN = ("beats_frozen", "eat_frozen")  # beside those of one class, where their checkpoints are here
