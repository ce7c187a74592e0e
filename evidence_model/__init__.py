"""The product's nouns and wire formats; no I/O, no clock, no other room of this house."""
