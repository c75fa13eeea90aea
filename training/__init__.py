"""Training: models, losses, recipes, both stages, evaluation. Needs PyTorch."""

from .evaluation import classify_with
from .fit import FitOptions, TrainingData, fit
from .recipe import TrainRecipe, builtin_recipes, load_recipe

__all__ = ["FitOptions", "TrainRecipe", "TrainingData", "builtin_recipes", "classify_with", "fit", "load_recipe"]
