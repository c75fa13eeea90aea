"""Training: models, losses, recipes, both stages, evaluation. Needs PyTorch."""

from .evaluation import classify_with
from .fit import FitOptions, fit, take_part
from .recipe import TrainRecipe, builtin_recipes, load_recipe
from .splits import TrainingData

__all__ = [
    "FitOptions",
    "TrainRecipe",
    "TrainingData",
    "builtin_recipes",
    "classify_with",
    "fit",
    "load_recipe",
    "take_part",
]
