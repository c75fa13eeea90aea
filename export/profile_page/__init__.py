"""A profile as one HTML page that needs no other file."""

from .page import write_profile_page

__all__ = ["write_profile_page"]
