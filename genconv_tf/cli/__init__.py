"""The command line `genconv`."""
