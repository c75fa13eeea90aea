"""The command line: parse, build a value, call the library, print. Nothing imports this package."""

__all__: list[str] = []
