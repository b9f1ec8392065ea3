"""Lowering: translate the graph to a program, node by node, with the rows of the operator tables."""
