"""From the words on the command line to a checked configuration with a name. Imports neither torch nor Lightning."""
