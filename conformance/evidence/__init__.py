"""Evidence: what a run leaves behind, how several runs are joined, and how a certificate is verified."""
