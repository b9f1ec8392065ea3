"""Translate: the graph, node by node, to a program. `translator` walks, `node` is what a row sees of a node."""
