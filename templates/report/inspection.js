// An inspection: the model alone, before any conversion. Ends, operators and scopes stand where a report has the script.

/** The header: what it is, how much of it would convert. */
function showInspection(model, element, go) {
  const { summary, source, network, unconverted } = model;
  const left = summary.unconverted;
  document.title = `${network.name}: ${t("inspection")}`;
  element.classList.add(left ? "not-comparable" : "same");
  const kinds = [...groupBy(unconverted, ({ operator }) => operator)].map(
    ([operator, some]) => `${some.length} × ${operatorName(operator)}`,
  );
  element.append(
    el("div", { class: "seal", "aria-hidden": "true", text: left ? "!" : "✓" }),
    el(
      "div",
      { class: "headline" },
      el("p", { class: "muted", text: source.description }),
      el("h1", {
        text: left ? t("Left to write: {nodes}", { nodes: count(left, "node") }) : t("Every node would convert"),
      }),
      el("p", { class: "muted basis", text: t("An inspection: nothing was converted.") }),
    ),
    tile(
      t("expected rate"),
      percent(summary.rate),
      t("{part} of {whole}", { part: (summary.nodes - left).toLocaleString("en"), whole: count(summary.nodes, "node") }),
      shareBar(summary),
    ),
    tile(t("parameters"), summary.parameters.toLocaleString("en"), `${count(summary.elements, "element")}, ${bytes(summary.bytes)}`),
    el(
      "div",
      { class: "tile todo" },
      el("p", { class: "key", text: t("left to do") }),
      left
        ? el("button", { class: "link", text: shortened(kinds.join(", "), 60), onclick: () => go.status("unconverted") })
        : el("p", { class: "value", text: t("Nothing") }),
    ),
  );
}

class ModelView {
  constructor(model, element, go) {
    Object.assign(this, { model, go });
    element.classList.add("scrolls", "inspection");
    element.append(
      section(t("ends"), this.#ends()),
      model.cut_points.length ? section(t("could be cut at"), this.#cutPoints()) : "",
      section(t("operators"), this.#operators()),
      model.scopes.length ? section(t("scopes"), el("div", { class: "scopes" }, ...model.scopes.map((scope) => this.#scope(scope, "")))) : "",
    );
  }

  /** A model has no lines. */
  show() {}

  #table(titles, rows) {
    return el(
      "table",
      { class: "plain" },
      el("tr", {}, ...titles.map((text) => el("th", { text }))),
      ...rows.map((cells) => el("tr", {}, ...cells.map((cell) => el("td", {}, cell)))),
    );
  }

  #ends() {
    const { inputs, outputs } = this.model.network;
    const rows = (ends, side) => ends.map((end) => [side, this.#value(end.name), el("code", { text: signature(end) })]);
    return this.#table(["", t("name"), t("type")], [...rows(inputs, t("input")), ...rows(outputs, t("output"))]);
  }

  #cutPoints() {
    const rows = this.model.cut_points.map((point) => [
      el("span", { class: "muted", text: t(point.side) }),
      this.#value(point.value),
      el("code", { text: signature(point) }),
      el("span", { class: "muted", text: point.why }),
    ]);
    return this.#table(["", t("name"), t("type"), ""], rows);
  }

  #operators() {
    const rows = this.model.operators.map(({ operator, nodes, converted, became }) => [
      el("span", { text: operatorName(operator) }),
      nodes.toLocaleString("en"),
      el("span", { class: converted < nodes ? "bad" : "", text: converted.toLocaleString("en") }),
      converted < nodes ? el("span", { class: "muted", text: said(became) }) : el("code", { text: became }),
    ]);
    return this.#table([t("operator"), t("nodes"), t("would convert"), t("becomes")], rows);
  }

  #scope(scope, around) {
    const path = around ? `${around}.${scope.name}` : scope.name;
    const group = findGroup(this.model.root, path);
    const title = el(
      "summary",
      {},
      group ? el("button", { class: "link", text: scope.name, onclick: () => this.go.group(group) }) : el("span", { text: scope.name }),
      scope.kind ? el("span", { class: "pill", text: scope.kind }) : "",
      el("span", { class: "muted", text: ` ${count(scope.nodes, "node")}, ${count(scope.elements, "element")}` }),
    );
    return el("details", {}, title, ...scope.scopes.map((inner) => this.#scope(inner, path)));
  }

  #value(name) {
    return el("span", {}, el("span", { text: name }), copyButton(name));
  }
}

/** The group with a path; null where the graph has none. */
function findGroup(root, path) {
  const waiting = [root];
  while (waiting.length) {
    const group = waiting.pop();
    if (group.path === path && group.kind !== "part") return group;
    const holds = !group.path || path === group.path || path.startsWith(`${group.path}.`);
    if (holds) waiting.push(...group.children.filter((child) => child instanceof Group));
  }
  return null;
}
