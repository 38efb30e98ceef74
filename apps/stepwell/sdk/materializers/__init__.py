"""How values become files and come back: ``BaseMaterializer`` and the ones that are built in."""
