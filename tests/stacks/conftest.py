from tests.plugins.cast import alice

__all__ = ["alice"]
