"""From the nodes of a Graph to hardware blocks."""
