"""The centre: the only writer of the log and the vault; keeps a catalogue that can be made again from the two."""
