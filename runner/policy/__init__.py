"""Task files, settings and the repository's policy, tightened into one Plan."""
