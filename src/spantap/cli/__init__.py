"""The commands for people: one file each, joined in `spantap.cli.main`."""
