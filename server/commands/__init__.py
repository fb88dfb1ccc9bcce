"""What the commands of the command line do, one file per group; imported only when used."""
