"""Train the stand-in from nothing: ``python -m helpers.standin --output DIR``."""

import argparse
from pathlib import Path

from helpers.standin.training import train

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train the stand-in model from nothing.")
    parser.add_argument("--output", type=Path, required=True, help="folder of the finished model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the number of training steps")
    options = parser.parse_args()
    train(options.output, seed=options.seed, scale=options.scale)
