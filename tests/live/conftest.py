from tests.plugins.server import browser, server

__all__ = ["browser", "server"]
