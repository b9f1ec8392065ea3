// The elements of the picture.

function arrowHead() {
  const head = svg("path", { d: "M0,0L8,4L0,8Z", class: "head" });
  return svg(
    "defs",
    {},
    svg(
      "marker",
      {
        id: "arrow",
        viewBox: "0 0 8 8",
        refX: 7,
        refY: 4,
        markerWidth: 9,
        markerHeight: 9,
        markerUnits: "userSpaceOnUse",
        orient: "auto",
      },
      head,
    ),
  );
}

/** A line between two cards; the shape that goes along it is shown while one of them is chosen. */
function edgeElement(edge, dx, dy, values) {
  const points = edge.points.map(({ x, y }) => ({ x: x + dx, y: y + dy }));
  const end = edge.to.port ? null : "url(#arrow)";
  const group = svg("g", { class: `edge${edge.port ? " port" : ""}` });
  group.edge = edge;
  group.append(svg("path", { d: path(points), "marker-end": end }));
  const [first] = edge.values;
  if (first === undefined) return group;
  const { x, y } = points[Math.floor(points.length / 2)];
  const shape = values[first]?.shape?.map((extent) => extent ?? "?").join(" × ");
  const more = edge.values.length > 1 ? ` ${t("and {number} more", { number: edge.values.length - 1 })}` : "";
  if (shape) group.append(text("shape", x + 8, y + 4, shape + more));
  group.append(svg("title", { text: edge.values.map((value) => `${value}  ${signature(values[value])}`).join("\n") }));
  return group;
}

/** Short lines at the sides of what also reads from outside its group, or is also read there. */
function stubs({ width, height, reads, isRead }) {
  const y = Math.min(height / 2, 24);
  const line = (d, end, text) => svg("path", { class: "stub", d, "marker-end": end }, svg("title", { text }));
  return [
    reads && line(`M-22,${y}L0,${y}`, "url(#arrow)", t("reads something from outside this group")),
    isRead && line(`M${width},${y}h20`, null, t("is read outside this group, too")),
  ].filter(Boolean);
}

/** A node, a closed group, or an end of the network. */
function card(placed, by) {
  const { item, x, y, width, height } = placed;
  const isGroup = item instanceof Group;
  const tone = item.side ? "end" : by === "error" ? errorTone(isGroup ? item.worst : item) : toneOf(item);
  const element = svg("g", {
    id: `card-${itemId(item)}`,
    class: `card ${isGroup ? "closed" : item.side ? "end" : "leaf"} ${tone}`,
    transform: `translate(${x.toFixed(1)},${y.toFixed(1)})`,
    role: "button",
    "aria-label": labelOf(item),
    "aria-expanded": isGroup ? "false" : null,
  });
  if (isGroup) element.append(svg("rect", { class: "behind", x: 5, y: 5, width, height, rx: 9 }));
  element.append(svg("rect", { class: "face", width, height, rx: item.side ? height / 2 : 9 }));
  if (isGroup) element.append(...groupText(item, width, height, by));
  else if (item.side) element.append(text("name", width / 2, height / 2 + 4.5, shortened(item.end.name, 18), "middle"));
  else element.append(...leafText(item, height, by));
  element.append(svg("title", { text: labelOf(item) }));
  return element;
}

function leafText(node, height, by) {
  const below = by === "error" && node.error ? errorText(node) : node.became;
  return [
    svg("rect", { class: "strip", width: 5, height: height - 16, x: 8, y: 8, rx: 2.5 }),
    text("name", 22, 19.5, shortened(node.operatorName, 19)),
    text("sub", 22, 35, shortened(node.converted ? below : t("not converted"), 23)),
  ];
}

/** What a group is called: `nodes 1–40`, `layer1[0]` for an element of a sequence, `attention`. */
function titleOf({ name, kind, parent }) {
  if (kind === "part") return `${t("nodes")} ${name}`;
  const whole = parent.kind === "part" ? parent.parent : parent;
  return /^\d+$/.test(name) && whole.name ? `${whole.name}[${name}]` : name;
}

function groupText(group, width, height, by) {
  const label = titleOf(group);
  const below =
    group.kind === "part"
      ? count(group.size, "node")
      : `${group.kind.replace(/^nn\./, "")} · ${count(group.size, "node")}`;
  return [
    svg("path", { class: "chevron", d: "M14,17l5,5l-5,5" }),
    text("name", 30, 26, shortened(label, 20)),
    text("sub", 30, 42, shortened(below, 27)),
    ...(by === "error" ? [] : statusBar(group, width, height)),
  ];
}

/** What the nodes of a group became, as a bar. */
function statusBar(group, width, height) {
  let x = 14;
  const whole = width - 28;
  return STATUSES.filter((status) => group.statuses[status]).map((status) => {
    const share = Math.max(3, (whole * group.statuses[status]) / group.size);
    const segment = svg("rect", {
      class: `bar ${status}`,
      x,
      y: height - 11,
      width: Math.min(share, whole + 14 - x),
      height: 4,
      rx: 2,
    });
    x += share;
    return segment;
  });
}

/** An open group. */
function frame(placed) {
  const { item, x, y, width, height } = placed;
  const kind = item.kind === "part" ? "" : ` ${item.kind.replace(/^nn\./, "")}`;
  const title = text("name", 30, 22, titleOf(item));
  title.append(svg("tspan", { class: "kind", text: kind, dx: 4 }));
  return svg(
    "g",
    {
      id: `card-${itemId(item)}`,
      class: `frame ${item.depth % 2 ? "odd" : "even"}`,
      transform: `translate(${x.toFixed(1)},${y.toFixed(1)})`,
      role: "button",
      "aria-label": labelOf(item),
      "aria-expanded": "true",
    },
    svg("rect", { class: "face", width, height, rx: 12 }),
    svg("path", { class: "chevron", d: "M12,15l5,5l5,-5" }),
    title,
  );
}

const text = (kind, x, y, content, anchor) => svg("text", { class: kind, x, y, "text-anchor": anchor, text: content });

function labelOf(item) {
  if (item.side) return `${t(item.side)} ${item.end.name}, ${signature(item.end)}`;
  if (item instanceof Group) return `${item.path || t("nodes")} ${item.name}, ${item.kind}, ${count(item.size, "node")}`;
  return `${item.operatorName} ${item.name}, ${item.converted ? item.became : t("not converted")}`;
}

/** What colour stands for how an item was translated: the worst of a group. */
function toneOf(item) {
  if (!(item instanceof Group)) return item.status;
  return item.statuses.unconverted ? "unconverted" : item.statuses.approximate ? "approximate" : "converted";
}

/** What colour stands for an error: one of five steps, or that there is none. */
function errorTone(node) {
  const error = node?.error;
  if (!error || error.verdict === "not comparable") return "unmeasured";
  if (error.verdict === "differs") return "error-5";
  const size = error.max_abs ?? 0;
  return size <= 1e-7 ? "error-1" : size <= 1e-6 ? "error-2" : size <= 1e-5 ? "error-3" : "error-4";
}

const errorText = ({ error }) => (error.verdict === "same" ? scientific(error.max_abs) : t(error.verdict));
