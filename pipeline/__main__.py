"""`python -m pipeline` is the `beamscribe` command."""

from pipeline.cli import command

if __name__ == "__main__":
    command()
