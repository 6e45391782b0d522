"""The leak matrix: planted secrets through every door, looked for in everything that comes out."""
