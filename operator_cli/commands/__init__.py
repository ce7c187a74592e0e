"""One module a command; each holds the command under its own name, and is loaded when it is called."""
