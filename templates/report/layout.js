// Where everything stands: each open group is laid out by itself, innermost first, so that only what is open costs.

const SIZE = {
  leaf: { width: 182, height: 46 },
  group: { width: 208, height: 62 },
  end: { width: 150, height: 34 },
  head: 34, // of an open group
  padding: 18,
  port: 6,
};

const MOST_JOINED = 3; // children of one group that are joined with what is outside

/** Boxes and edges of a group's inside, and its size; kept until the group or one inside it opens or closes. */
function layoutOf(group) {
  if (group.layout) return group.layout;
  const graph = new dagre.graphlib.Graph({ multigraph: false });
  graph.setGraph({ rankdir: "TB", nodesep: 26, ranksep: 34, edgesep: 14, marginx: 0, marginy: 0 });
  const items = new Map();
  const add = (id, item, size) => {
    items.set(String(id), item);
    graph.setNode(String(id), { ...size });
  };
  for (const child of group.children) add(itemId(child), child, sizeOf(child));
  for (const { from, to, values } of group.edges.values())
    graph.setEdge(String(itemId(from)), String(itemId(to)), { values });
  ports(group, graph, add);
  dagre.layout(graph, { disableOptimalOrderHeuristic: group.children.length > 60 });
  group.layout = collected(graph, items, group);
  return group.layout;
}

/**
 * What enters a group comes from the middle of its top, what leaves it goes to the middle of its bottom. Where most of
 * a chain reads the same from outside, such as a mask, or is read from there, only its ends are joined: the others get
 * a stub, and do not push the chain aside.
 */
function ports(group, graph, add) {
  const size = { width: SIZE.port, height: SIZE.port };
  const reached = new Set([...group.edges.values()].map(({ to }) => to));
  const leading = new Set([...group.edges.values()].map(({ from }) => from));
  const joined = (children, others) =>
    [...children].filter((child) => children.size <= MOST_JOINED || !others.has(child));
  if (group.entries.size) {
    add("in", { port: "in" }, size);
    for (const child of joined(group.entries, reached)) graph.setEdge("in", String(itemId(child)), { port: true });
  }
  if (group.exits.size) {
    add("out", { port: "out" }, size);
    for (const child of joined(group.exits, leading)) graph.setEdge(String(itemId(child)), "out", { port: true });
  }
}

function sizeOf(item) {
  if (item.side) return SIZE.end;
  if (!(item instanceof Group)) return SIZE.leaf;
  if (!item.open) return SIZE.group;
  const { width, height } = layoutOf(item);
  return { width: Math.max(width + 2 * SIZE.padding, 220), height: height + SIZE.head + 2 * SIZE.padding };
}

function collected(graph, items, group) {
  const boxes = [];
  for (const id of graph.nodes()) {
    const { x, y, width, height } = graph.node(id);
    const item = items.get(id);
    if (item.port) continue;
    const reads = group.entries.has(item) && !graph.hasEdge("in", id);
    const isRead = group.exits.has(item) && !graph.hasEdge(id, "out");
    boxes.push({ item, x: x - width / 2, y: y - height / 2, width, height, reads, isRead });
  }
  const edges = graph.edges().map((edge) => {
    const { points, values, port } = graph.edge(edge);
    return { points, values: values || [], port, from: items.get(edge.v), to: items.get(edge.w) };
  });
  const { width, height } = graph.graph();
  for (const { points, from, to } of edges) {
    if (from.port) points[0] = { x: width / 2, y: -SIZE.padding };
    if (to.port) points[points.length - 1] = { x: width / 2, y: height + SIZE.padding };
  }
  return { boxes, edges, width, height };
}

/** Opens or closes a group; what is around it must be laid out again. */
function setOpen(group, open) {
  group.open = open;
  for (let each = group; each; each = each.parent) each.layout = null;
}

/** A smooth line through the points that the layout gives an edge. */
function path(points) {
  const at = (point) => `${point.x.toFixed(1)},${point.y.toFixed(1)}`;
  const middle = (a, b) => ({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 });
  let line = `M${at(points[0])}`;
  for (let i = 1; i < points.length - 1; i++) line += `Q${at(points[i])} ${at(middle(points[i], points[i + 1]))}`;
  return `${line}L${at(points[points.length - 1])}`;
}
