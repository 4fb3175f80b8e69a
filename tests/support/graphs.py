"""What TensorFlow graphs hold."""


def marked_operations(graph):
    """Types of the operations that XLA is to compile together, in a graph and what it calls."""
    nodes = list(graph.as_graph_def().node)
    for function in graph.as_graph_def().library.function:
        nodes += function.node_def
    return [node.op for node in nodes if node.attr["_XlaCompile"].b]
