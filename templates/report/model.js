// The report, indexed: who makes a value, what stands on a line, and the tree of Cells that the graph is drawn by.

const STATUSES = ["converted", "composed", "approximate", "unconverted"];
const MEANING = {
  converted: "one MindSpore call",
  composed: "several calls, or a function in the script",
  approximate: "not exactly the source's meaning",
  unconverted: "a stub that you fill",
};

/** More children than that in one group are shown in parts. */
const MOST_CHILDREN = 80;
const PART = 40;

/** A class instance, a sequence, the body of a loop, or a part of a long list; closed until it is opened. */
class Group {
  constructor(name, kind, parent) {
    Object.assign(this, { name, kind, parent, children: [], open: false, layout: null, size: 0, worst: null });
    this.path = parent && parent.path ? `${parent.path}.${name}` : name;
    this.depth = parent ? parent.depth + 1 : 0;
    this.statuses = Object.fromEntries(STATUSES.map((status) => [status, 0]));
    this.edges = new Map(); // "i>j" → {from, to, values}, between children
    this.entries = new Set(); // children that read something from outside
    this.exits = new Set(); // children that something outside reads
  }
}

class Model {
  constructor(report) {
    Object.assign(this, report);
    this.lines = report.script.split("\n");
    this.byLine = groupBy(this.nodes, (node) => node.line);
    this.byName = new Map(this.nodes.map((node) => [node.name, node]));
    this.weightsByName = new Map(this.weights.map((weight) => [weight.name, weight]));
    this.users = new Map(); // weight → nodes
    this.makers = new Map(); // value → node
    this.readers = new Map(); // value → nodes
    for (const node of this.nodes) {
      for (const name of node.weights) push(this.users, name, node);
      for (const value of node.outputs) if (value) this.makers.set(value, node);
      for (const value of new Set(node.inputs)) if (value) push(this.readers, value, node);
      node.operatorName = operatorName(node.operator);
      node.path = node.cells.map(([name]) => name).join(".");
      node.words = [node.name, node.operator, node.became, node.path, node.scope].join("\n").toLowerCase();
    }
    this.hasErrors = this.nodes.some((node) => node.error);
    this.root = this.#tree();
    this.#connect();
  }

  /** Nodes in which every word of a query occurs. */
  find(query) {
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    return words.length ? this.nodes.filter((node) => words.every((word) => node.words.includes(word))) : [];
  }

  #tree() {
    const root = new Group("", "MindSporeModel", null);
    const groups = new Map();
    const holders = new Set(this.nodes.map((node) => node.within).filter((id) => id !== null));
    const inner = (parent, name, kind, key) => {
      if (!groups.has(key)) {
        groups.set(key, new Group(name, kind, parent));
        parent.children.push(groups.get(key));
      }
      return groups.get(key);
    };
    const home = (node) => {
      let group = root;
      let key = "";
      for (const [name, kind] of node.cells) group = inner(group, name, kind, (key += `\n${name}`));
      return group;
    };
    const bodyOf = (id) => {
      const holder = this.nodes[id];
      const around = holder.within === null || holder.within === id ? home(holder) : bodyOf(holder.within);
      return inner(around, shortened(holder.name, 30), operatorName(holder.operator), `body ${id}`);
    };
    this.inputs = this.network.inputs.map((end) => ({ end, side: "input", parent: root }));
    this.outputs = this.network.outputs.map((end) => ({ end, side: "output", parent: root }));
    root.children.push(...this.inputs);
    for (const node of this.nodes) {
      const id = holders.has(node.id) ? node.id : node.within;
      node.parent = id === null ? home(node) : bodyOf(id);
      node.parent.children.push(node);
    }
    root.children.push(...this.outputs);
    split(root);
    for (const node of this.nodes) {
      for (let group = node.parent; group; group = group.parent) {
        group.size++;
        group.statuses[node.status]++;
        if (node.error && severity(node) > severity(group.worst)) group.worst = node;
      }
    }
    root.open = true;
    return root;
  }

  /** Notes every edge with the group in which its two ends part, and with the groups that it enters and leaves. */
  #connect() {
    const ends = new Map(this.inputs.map((input) => [input.end.value, input]));
    for (const node of this.nodes)
      for (const value of new Set(node.inputs)) {
        const from = this.makers.get(value) || ends.get(value);
        if (from) connect(from, node, value);
      }
    for (const output of this.outputs) {
      const from = this.makers.get(output.end.value) || ends.get(output.end.value);
      if (from) connect(from, output, output.end.value);
    }
  }
}

function connect(from, to, value) {
  let [a, b] = [from, to];
  const enter = [];
  const leave = [];
  while (a.parent !== b.parent) {
    if (a.parent.depth >= b.parent.depth) {
      leave.push(a);
      a = a.parent;
    } else {
      enter.push(b);
      b = b.parent;
    }
  }
  if (a === b) return; // a loop's body that feeds itself
  for (const item of leave) item.parent.exits.add(item);
  for (const item of enter) item.parent.entries.add(item);
  const key = `${itemId(a)}>${itemId(b)}`;
  const edges = a.parent.edges;
  if (!edges.has(key)) edges.set(key, { from: a, to: b, values: [] });
  edges.get(key).values.push(value);
}

let itemCount = 0;

/** A number for anything that is drawn. */
const itemId = (item) => (item.item ??= ++itemCount);

/** Puts the children of a large group into parts, which are groups themselves. */
function split(group) {
  for (const child of group.children) if (child instanceof Group) split(child);
  if (group.children.length <= MOST_CHILDREN) return;
  const children = group.children.filter((child) => !child.side);
  const size = Math.max(PART, Math.ceil(children.length / PART));
  group.children = group.children.filter((child) => child.side);
  for (let i = 0; i < children.length; i += size) {
    const some = children.slice(i, i + size);
    const part = new Group(`${first(some[0]).id}–${last(some[some.length - 1]).id}`, "part", group);
    part.path = group.path;
    part.children = some;
    for (const child of some) {
      child.parent = part;
      if (child instanceof Group) deepen(child);
    }
    group.children.push(part);
    split(part);
  }
}

const first = (item) => (item instanceof Group ? first(item.children[0]) : item);
const last = (item) => (item instanceof Group ? last(item.children[item.children.length - 1]) : item);

function deepen(group) {
  group.depth = group.parent.depth + 1;
  for (const child of group.children) if (child instanceof Group) deepen(child);
}

/** How bad a node's error is; what differs comes before any number. */
const severity = (node) => (node ? (node.error.verdict === "differs" ? 1e30 : 0) + (node.error.max_abs ?? 0) : -1);

function push(map, key, item) {
  if (map.has(key)) map.get(key).push(item);
  else map.set(key, [item]);
}

function groupBy(items, key) {
  const groups = new Map();
  for (const item of items) push(groups, key(item), item);
  return groups;
}
