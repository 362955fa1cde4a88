"""The parts of scripts/image-check."""
