// What is known of whatever was chosen: a node, a group, a line, an end of the network.

class Details {
  /** `go` has the ways out: to a node, a group, a line, a weight. */
  constructor(model, element, go) {
    Object.assign(this, { model, element, go });
    this.welcome();
  }

  /** What there is to see before anything is chosen: the network as a whole. */
  welcome() {
    const { network, summary } = this.model;
    const ends = (side) =>
      el(
        "span",
        {},
        ...network[side].map((end) =>
          el(
            "span",
            { class: "end" },
            el("span", { text: end.name }),
            el("code", { class: "muted", text: signature(end) }),
          ),
        ),
      );
    const cls = ({ name, line }) =>
      el("button", { class: "link", text: name, title: t("line {line}", { line }), onclick: () => this.go.line(line) });
    const hint = (keys, text) => el("span", {}, ...keys.map((key) => el("kbd", { text: key })), ` ${text}`);
    this.#show(
      el("h2", { text: network.name }),
      fact(t("inputs"), ends("inputs")),
      fact(t("outputs"), ends("outputs")),
      fact(
        t("weights"),
        el("span", { text: `${count(summary.parameters, "parameter")}, ${count(summary.elements, "element")}` }),
      ),
      network.classes.length
        ? fact(t(network.classes.length === 1 ? "class" : "classes"), ...[...network.classes].reverse().map(cls))
        : null,
      el("p", {
        class: "muted invitation",
        text: this.model.script
          ? t("Choose a card in the graph, or a line of the script that has a mark beside it.")
          : t("Choose a card in the graph."),
      }),
      el(
        "p",
        { class: "hints" },
        hint(["/"], t("search")),
        hint(["←", "↑", "↓", "→"], t("move")),
        hint(["Enter"], t("open")),
        hint(["Esc"], t("close")),
        hint(["0"], t("see everything")),
      ),
    );
  }

  node(node) {
    const error = node.error;
    this.#show(
      el(
        "div",
        { class: "title" },
        el("h2", { text: node.operatorName }),
        el("span", { class: `pill ${node.status}`, text: t(node.status) }),
      ),
      el("p", { class: "name" }, el("span", { text: node.name }), copyButton(node.name)),
      node.converted
        ? fact(t("became"), el("code", { text: node.became }), this.#line(node))
        : el("div", { class: "remedy" }, el("p", { text: said(node.became) }), this.#line(node)),
      node.note ? el("p", { class: "remedy soft", text: said(node.note) }) : null,
      error
        ? fact(
            t("error"),
            el("span", {
              class: error.verdict === "differs" ? "bad" : "",
              text: error.max_abs === null
                  ? t(error.verdict)
                  : t("{verdict}, at most {error}", { verdict: t(error.verdict), error: scientific(error.max_abs) }),
            }),
            error.cosine === null ? null : el("span", { class: "muted", text: `${t("cosine")} ${error.cosine.toFixed(6)}` }),
            error.note ? el("span", { class: "muted", text: said(error.note) }) : null,
          )
        : null,
      node.path ? fact(t("stands in"), this.#groupLink(node)) : null,
      node.scope ? fact(t("source scope"), el("span", { text: node.scope })) : null,
      this.#ends(t("inputs"), node.inputs, (value) => [this.model.makers.get(value)]),
      this.#ends(t("outputs"), node.outputs, (value) => this.model.readers.get(value) || []),
      this.#attributes(node),
      this.#weights(node.weights),
    );
  }

  group(group) {
    const cls = this.model.network.classes.find(({ name }) => name === group.kind);
    const prefix = `${group.path}.`;
    const weights = this.model.weights.filter(({ name }) => name.startsWith(prefix));
    const elements = weights.reduce((sum, weight) => sum + weight.elements, 0);
    this.#show(
      el(
        "div",
        { class: "title" },
        el("h2", { text: group.path || group.name || t("The network") }),
        group.kind === "part" ? null : el("span", { class: "pill", text: group.kind }),
      ),
      cls ? el("p", { class: "muted", text: cls.doc }) : null,
      fact(
        t("holds"),
        el("span", { text: count(group.size, "node") }),
        ...STATUSES.filter((status) => group.statuses[status]).map((status) =>
          el("span", { class: `pill ${status}`, text: `${group.statuses[status]} ${t(status)}` }),
        ),
      ),
      group.kind !== "part" && weights.length
        ? fact(t("weights"), el("span", { text: `${count(weights.length, "parameter")}, ${count(elements, "element")}` }))
        : null,
      cls
        ? fact(
            t("class"),
            el("button", { class: "link", text: t("line {line}", { line: cls.line }), onclick: () => this.go.line(cls.line) }),
          )
        : null,
      group.worst ? fact(t("worst error"), this.#link(group.worst), el("span", { text: errorText(group.worst) })) : null,
    );
  }

  line(line, nodes) {
    this.#show(
      el("h2", { text: t("Line {line}", { line }) }),
      el("p", {
        class: "muted",
        text: t(
          nodes.length === 1 ? "{nodes} of the source became this line." : "{nodes} of the source became a part of this line.",
          { nodes: count(nodes.length, "node") },
        ),
      }),
      el(
        "ul",
        { class: "links" },
        ...nodes
          .slice(0, 200)
          .map((node) => el("li", {}, this.#link(node), el("span", { class: "muted", text: ` ${node.path}` }))),
      ),
      nodes.length > 200 ? el("p", { class: "muted", text: `… ${t("and {number} more", { number: nodes.length - 200 })}` }) : null,
    );
  }

  end({ end, side }) {
    const nodes = side === "input" ? this.model.readers.get(end.value) || [] : [this.model.makers.get(end.value)];
    this.#show(
      el(
        "div",
        { class: "title" },
        el("h2", { text: end.name }),
        el("span", { class: "pill", text: t(side === "input" ? "input of the network" : "output of the network") }),
      ),
      fact(t("type"), el("code", { text: signature(end) })),
      fact(
        t(side === "input" ? "read by" : "made by"),
        ...nodes
          .filter(Boolean)
          .slice(0, 12)
          .map((node) => this.#link(node)),
      ),
    );
  }

  #show(...content) {
    this.element.replaceChildren(...content.filter(Boolean));
    this.element.scrollTop = 0;
  }

  #link(node) {
    return el("button", {
      class: "link",
      text: `${node.operatorName} ${shortened(node.name, 60)}`,
      onclick: () => this.go.node(node),
    });
  }

  #line(node) {
    if (!node.line) return null;
    return el("button", {
      class: "link",
      text: t("line {line}", { line: `${node.line}:${node.column}` }),
      onclick: () => this.go.line(node.line),
    });
  }

  #groupLink(node) {
    let group = node.parent;
    while (group.kind === "part") group = group.parent;
    return [
      el("button", { class: "link", text: node.path, onclick: () => this.go.group(group) }),
      el("span", { class: "muted", text: group.kind }),
    ];
  }

  #ends(title, values, nodesOf) {
    const present = values.filter(Boolean);
    if (!present.length) return null;
    const row = (value) => {
      const known = this.model.values[value];
      const nodes = nodesOf(value).filter(Boolean);
      const more = nodes.length > 4 ? el("span", { class: "muted", text: t("and {number} more", { number: nodes.length - 4 }) }) : null;
      const beside = known?.constant
        ? [el("span", { class: "muted", text: t("constant") })]
        : [...nodes.slice(0, 4).map((node) => this.#link(node)), more];
      return [
        el("td", { class: "value", text: value }),
        el("td", {}, el("code", { text: signature(known) })),
        el("td", {}, ...beside),
      ];
    };
    return section(title, el("table", { class: "ends" }, ...present.map((value) => el("tr", {}, ...row(value)))));
  }

  #attributes(node) {
    const pairs = Object.entries(node.attributes);
    if (!pairs.length) return null;
    const rows = pairs.map(([name, value]) =>
      el("tr", {}, el("td", { class: "value", text: name }), el("td", {}, el("code", { text: value }))),
    );
    return section(t("attributes"), el("table", { class: "ends" }, ...rows));
  }

  #weights(names) {
    const weights = names.map((name) => this.model.weightsByName.get(name)).filter(Boolean);
    if (!weights.length) return null;
    const row = (weight) =>
      el(
        "tr",
        {},
        el(
          "td",
          { class: "value" },
          el("button", { class: "link", text: weight.name, onclick: () => this.go.weight(weight) }),
        ),
        el("td", {}, el("code", { text: signature(weight) })),
        el("td", { class: "muted", text: t("from {name}", { name: weight.source.name }) }),
      );
    return section(t("weights"), el("table", { class: "ends" }, ...weights.map(row)));
  }
}

const fact = (name, ...content) => el("p", { class: "fact" }, el("span", { class: "key", text: name }), ...content);
const section = (title, content) => el("div", { class: "section" }, el("h3", { text: title }), content);
