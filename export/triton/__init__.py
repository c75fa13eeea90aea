"""Model repositories for the Triton Inference Server."""

from .options import TritonBackend, TritonOptions
from .repository import ExportedRepository, export_repository, python_model_path

__all__ = ["ExportedRepository", "TritonBackend", "TritonOptions", "export_repository", "python_model_path"]
