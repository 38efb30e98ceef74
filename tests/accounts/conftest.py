from tests.plugins.cast import alice, bob, charlie

__all__ = ["alice", "bob", "charlie"]
