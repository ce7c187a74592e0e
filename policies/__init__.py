"""Rules as data: what a policy pack says, each value with its article. Nothing here reads a file or a clock."""
