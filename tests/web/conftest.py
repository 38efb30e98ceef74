from tests.plugins.cast import alice, as_alice, as_bob, as_charlie, bob, charlie

__all__ = ["alice", "as_alice", "as_bob", "as_charlie", "bob", "charlie"]
