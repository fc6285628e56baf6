from .model import build as build
from .training import train as train
