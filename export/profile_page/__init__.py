"""Profiles as HTML pages that need no other file."""

from .page import write_profile_page
from .pipeline_page import write_pipeline_page

__all__ = ["write_pipeline_page", "write_profile_page"]
