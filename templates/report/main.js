// Puts the parts together: one choice, which all of them show.

const model = new Model(DATA);
const inspected = Boolean(model.operators);
const TABS = ["graph", "nodes", "weights", "errors", "run"].filter((tab) => !inspected || tab !== "errors");

const openTab = tabBar(TABS);

const go = {
  node(node, from) {
    openTab("graph");
    if (from !== "graph") graph.reveal(node);
    graph.mark([]);
    details.node(node);
    script.show(node.line);
    history.replaceState(null, "", `#node=${node.id}`);
  },
  group(group, from) {
    openTab("graph");
    if (from !== "graph") graph.reveal(group);
    details.group(group);
    const { line } = model.network.classes.find(({ name }) => name === group.kind) || {};
    if (line) script.show(line);
  },
  end(end) {
    details.end(end);
  },
  line(line) {
    openTab("graph");
    script.show(line);
    const nodes = model.byLine.get(line) || [];
    if (nodes.length === 1) return go.node(nodes[0]);
    graph.mark(nodes);
    if (nodes.length) {
      graph.reveal(nodes[0]);
      details.line(line, nodes);
    }
    return undefined;
  },
  weight(weight) {
    openTab("weights");
    weights.reveal(weight);
  },
  status(status) {
    openTab("nodes");
    nodes.press(nodes.chips.find(({ button }) => button.classList.contains(status)).test);
  },
  tab: (name) => openTab(name),
};

function chosen(item) {
  if (item.side) go.end(item);
  else if (item instanceof Group) go.group(item, "graph");
  else go.node(item, "graph");
}

translatePage();
(inspected ? showInspection : showVerdict)(model, byId("verdict"), go);
const details = new Details(model, byId("details"), go);
const script = inspected ? new ModelView(model, byId("script"), go) : new ScriptView(model, byId("script"), go.line);
const graph = new GraphView(model, byId("canvas"), chosen);
const nodes = nodeTable(model, byId("nodes"), go.node);
const weights = weightTable(model, byId("weights"), (weight) => {
  const users = model.users.get(weight.name);
  if (users) go.node(users[0]);
});
const plot = inspected ? null : showErrors(model, byId("errors"), go);
showRun(model, byId("run"), model.licences);
new Search(model, byId("search"), byId("found"), (node) => {
  go.node(node);
  graph.svg.focus({ preventScroll: true });
});
splitter(byId("split-graph"), "--left");
splitter(byId("split-details"), "--top");
drawToolbar();
drawLegend();
followTheme(() => plot?.draw());

byId("tab-errors").hidden = inspected;
if (inspected) byId("tab-graph").textContent = t("Graph");
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.matches("input")) return;
  byId("search").focus();
  byId("search").select();
  event.preventDefault();
});
const linked = /^#node=(\d+)$/.exec(location.hash);
if (linked && model.nodes[linked[1]]) go.node(model.nodes[linked[1]]);

function drawToolbar() {
  const button = (text, title, onclick) => el("button", { class: "icon", title, "aria-label": title, text, onclick });
  const colours = ["status", "error"].map((by) => {
    const title =
      by === "error" && !model.hasErrors
        ? t("No node was compared by itself.")
        : t(by === "error" ? "Colour by error" : "Colour by outcome");
    return el("button", {
      class: "chip",
      "aria-pressed": String(by === "status"),
      disabled: by === "error" && !model.hasErrors,
      title,
      text: t(by === "error" ? "Error" : "Outcome"),
      onclick: () => colour(by),
    });
  });
  const colour = (by) => {
    colours.forEach((each, i) => each.setAttribute("aria-pressed", String((by === "error") === Boolean(i))));
    graph.colour(by);
    drawLegend();
  };
  byId("toolbar").append(
    el("span", { class: "muted", text: t("Colour by") }),
    ...colours,
    el("span", { class: "space" }),
    button(t("Open all"), t("Open all groups"), () => graph.setAll(true)),
    button(t("Close all"), t("Close all groups"), () => graph.setAll(false)),
    button("−", t("Zoom out"), () => graph.zoomBy(1 / 1.3)),
    button("+", t("Zoom in"), () => graph.zoomBy(1.3)),
    button(t("Fit"), t("See everything"), () => graph.fitAll()),
  );
}

function drawLegend() {
  const entry = (tone, text, title) => el("span", { class: `entry ${tone}`, title }, el("i"), text);
  const entries =
    graph.by === "error"
      ? [
          ["error-1", "≤ 1e-7"],
          ["error-2", "≤ 1e-6"],
          ["error-3", "≤ 1e-5"],
          ["error-4", t("larger, but same")],
          ["error-5", t("differs")],
          ["unmeasured", t("not measured")],
        ].map(([tone, text]) => entry(tone, text))
      : STATUSES.filter((status) => model.summary[status]).map((status) =>
          entry(status, `${t(status)} ${model.summary[status].toLocaleString("en")}`, t(MEANING[status])),
        );
  byId("legend").replaceChildren(...entries);
}
