"""The recipes that come with fsrfer, as TOML files."""

__all__: list[str] = []
