"""The contract between workstation and device: a manifest and the files it names."""
