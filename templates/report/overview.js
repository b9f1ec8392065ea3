// The verdict on top, and what it rests on: outputs, errors, the run.

/** The header: is it the same, how far apart, what is left to do. */
function showVerdict(model, element, go) {
  const { summary, verification, source, tool, network } = model;
  const [mark, headline] = {
    same: ["✓", t("The script computes what its source computes")],
    "same within the source's own sensitivity": ["✓", t("The script differs no more than its source moves by itself")],
    differs: ["≠", t("The script differs from its source")],
    "not comparable": ["?", t("Script and source could not be compared")],
    "not verified": ["–", t("Written, but not verified")],
  }[summary.verdict];
  const left = summary.unconverted;
  const partial = left && t("Left to write: {nodes}", { nodes: count(left, "node") });
  const kind = summary.verdict.startsWith("same") ? "same" : summary.verdict.replace(" ", "-");
  document.title = `${network.name}: ${t(summary.verdict)}`;
  element.classList.add(kind);
  element.append(
    el("div", { class: "seal", "aria-hidden": "true", text: partial ? "!" : mark }),
    el(
      "div",
      { class: "headline" },
      el("p", { class: "muted", text: `${source.description} → ${network.name}.py` }),
      el("h1", { text: partial || headline }),
      el("p", { class: "muted basis", title: basis(model), text: basis(model) }),
    ),
    tile(
      t("converted"),
      percent(summary.rate),
      t("{part} of {whole}", {
        part: (summary.nodes - summary.unconverted).toLocaleString("en"),
        whole: count(summary.nodes, "node"),
      }),
      shareBar(summary),
    ),
    tile(
      t("worst error"),
      scientific(summary.worst_error),
      summary.worst_error === null ? t("nothing was measured") : worstOutput(verification),
    ),
    el("div", { class: "tile todo" }, el("p", { class: "key", text: t("left to do") }), ...todo(model, go)),
  );
  element.title = `${tool.name} ${tool.version}`;
}

/** What the verdict rests on. */
function basis({ verification }) {
  if (verification.note) return sentence(said(verification.note));
  const outputs = new Set(verification.outputs.map(({ name }) => name)).size;
  const modes = [...new Set(verification.outputs.map(({ mode }) => mode))].join(t(" and "));
  return t("{outputs} compared on the same inputs, in {modes} mode.", { outputs: count(outputs, "output"), modes });
}

const sentence = (text) => text[0].toUpperCase() + text.slice(1) + (/[.!?。]$/.test(text) ? "" : ".");
const percent = (rate) => (rate === 1 ? "100%" : `${(Math.floor(rate * 10000) / 100).toFixed(2)}%`);

function worstOutput({ outputs }) {
  const worst = outputs.reduce((a, b) => ((b.max_abs ?? -1) > (a.max_abs ?? -1) ? b : a));
  return t("{output}, {mode} mode", { output: shortened(worst.name, 28), mode: worst.mode });
}

function shareBar(summary) {
  const parts = STATUSES.filter((status) => summary[status]);
  return el(
    "div",
    { class: "share", "aria-hidden": "true" },
    ...parts.map((status) => el("i", { class: status, style: `flex-grow: ${summary[status]}` })),
  );
}

const tile = (name, value, below, ...more) =>
  el(
    "div",
    { class: "tile" },
    el("p", { class: "key", text: name }),
    el("p", { class: "value", text: value }),
    el("p", { class: "muted", text: below }),
    ...more,
  );

/** What an engineer has to do next, in words; each goes to where it is to be done. */
function todo(model, go) {
  const { summary, verification, unconverted } = model;
  const items = [];
  const first = verification.first_difference;
  if (summary.unconverted) {
    const kinds = [...groupBy(unconverted, ({ operator }) => operator)].map(
      ([operator, some]) => `${some.length} × ${operatorName(operator)}`,
    );
    items.push([
      t("Write {nodes}: {kinds}", {
        nodes: count(summary.unconverted, "node"),
        kinds: shortened(kinds.join(", "), 60),
      }),
      () => go.status("unconverted"),
    ]);
  }
  if (first) {
    const text = t("Look at {operator} {name}, line {line}: the first that differs", {
      operator: operatorName(first.operator),
      name: shortened(first.name, 34),
      line: first.line,
    });
    items.push([text, () => (first.node === null ? go.line(first.line) : go.node(model.nodes[first.node]))]);
  } else if (summary.verdict === "differs") items.push([t("Find out why the outputs differ"), () => go.tab("errors")]);
  if (summary.approximate)
    items.push([t("Review {approximations}", { approximations: count(summary.approximate, "approximation") }), () => go.status("approximate")]);
  const edges = verification.edges.filter(warns);
  if (edges.length) {
    const kinds = shortened(edges.map(({ kind }) => kind).join(", "), 60);
    items.push([t("Look at the edge inputs that differ: {kinds}", { kinds }), () => go.tab("errors")]);
  }
  if (summary.verdict === "not verified") {
    const how = verification.note
      ? t("Run it again where there is enough memory and time")
      : t("Run it again without --no_verify");
    items.push([how, () => go.tab("run")]);
  }
  if (summary.verdict === "not comparable" && !summary.unconverted)
    items.push([t("Compare it on inputs of your own: --verify_inputs"), () => go.tab("errors")]);
  if (!items.length)
    return [
      el("p", { class: "value", text: t("Nothing") }),
      el("p", { class: "muted", text: t("Load the checkpoint and go on.") }),
    ];
  return [
    el("ul", {}, ...items.map(([text, onclick]) => el("li", {}, el("button", { class: "link", text, onclick })))),
  ];
}

const warns = ({ verdict, kernel }) => verdict === "differs" && !kernel;

/** The edge inputs of each kind: whether script and source differ on them, and where. */
function edgeTable(model, go) {
  const { edges, edges_note } = model.verification;
  const place = ({ first_difference: first }) => {
    if (!first) return el("td", { text: "–" });
    const text = `${operatorName(first.operator)} ${first.name}`;
    const onclick = () => (first.node === null ? go.line(first.line) : go.node(model.nodes[first.node]));
    return el("td", {}, el("button", { class: "link", text, onclick }));
  };
  const row = (edge) =>
    el(
      "tr",
      {},
      el("td", { text: edge.kind }),
      el("td", {}, el("span", { class: `pill ${edge.kernel ? "not-comparable" : edge.verdict.replace(" ", "-")}`, text: t(edge.verdict) })),
      el("td", { text: edge.modes.join(t(" and ")) || "–" }),
      place(edge),
      el("td", {
        class: "muted",
        text: edge.kernel ? `${t("MindSpore's CPU kernel alone:")} ${edge.kernel}; ${edge.note}` : edge.note,
      }),
    );
  const heads = [t("kind"), t("verdict"), t("mode"), t("the first node that differs"), ""];
  return [
    el("h2", { text: t("Edge inputs") }),
    ...(edges_note ? [el("p", { class: "muted", text: sentence(edges_note) })] : []),
    el(
      "table",
      { class: "plain" },
      el("tr", {}, ...heads.map((text) => el("th", { text }))),
      ...edges.map(row),
    ),
  ];
}

/** The proofs of other machines: the worst output, the first Cell that differs, the latency. */
function proofTable({ proofs }, go) {
  const place = ({ first_difference: first }) => {
    if (!first) return el("td", { text: "–" });
    const cell = first.path || "MindSporeModel";
    const what = first.kind === "takes" ? t("what {cell} takes", { cell }) : t("what {cell} returns", { cell });
    const text = `${what}, ${t("line")} ${first.line}`;
    return el("td", {}, el("button", { class: "link", text, onclick: () => go.line(first.line) }));
  };
  const worst = (outputs) => outputs.reduce((most, { max_abs }) => (max_abs === null ? most : Math.max(most ?? 0, max_abs)), null);
  const row = (proof) =>
    el(
      "tr",
      {},
      ...[proof.device, proof.mode, proof.mindspore].map((text) => el("td", { text })),
      el("td", {}, el("span", { class: `pill ${proof.verdict.replace(" ", "-")}`, text: t(proof.verdict) })),
      el("td", { class: "right", text: scientific(worst(proof.outputs)) }),
      place(proof),
      el("td", { class: "right", text: `${(1000 * proof.latency.median).toFixed(2)} ms` }),
    );
  const heads = [t("device"), t("mode"), "MindSpore", t("verdict"), t("worst error"), t("the first difference"), t("latency")];
  return [
    el("h2", { text: t("Proofs on other machines") }),
    el("table", { class: "plain" }, el("tr", {}, ...heads.map((text) => el("th", { text }))), ...proofs.map(row)),
  ];
}

/** The tab of errors: every output, the inputs, and the plot. */
function showErrors(model, element, go) {
  const { verification } = model;
  const numbers = ["max. absolute", "max. relative", "mean relative", "cosine"];
  const head = (...titles) =>
    el("tr", {}, ...titles.map((title) => el("th", { class: numbers.includes(title) ? "right" : "", text: t(title) })));
  const row = (output) =>
    el(
      "tr",
      {},
      el("td", { text: output.name }),
      el("td", { text: output.mode }),
      el("td", {}, el("span", { class: `pill ${output.verdict.replace(" ", "-")}`, text: t(output.verdict) })),
      ...[output.max_abs, output.max_rel, output.mean_rel].map((value) =>
        el("td", { class: "right", text: scientific(value) }),
      ),
      el("td", { class: "right", text: output.cosine === null ? "–" : output.cosine.toFixed(8) }),
      el("td", { class: "muted", text: said(output.note) }),
    );
  element.append(el("h2", { text: t("Outputs") }));
  if (verification.outputs.length)
    element.append(
      el(
        "table",
        { class: "plain" },
        head("output", "mode", "verdict", "max. absolute", "max. relative", "mean relative", "cosine", ""),
        ...verification.outputs.map(row),
      ),
    );
  else element.append(el("p", { text: basis(model) }));
  if (verification.recorded)
    element.append(
      el("h2", { text: t("Beside the outputs that came with the model") }),
      el(
        "table",
        { class: "plain" },
        head("output", "mode", "verdict", "max. absolute", "max. relative", "mean relative", "cosine", ""),
        ...verification.recorded.map(row),
      ),
    );
  if (verification.inputs.length) {
    const input = ({ name, minimum, maximum, ...value }) =>
      el(
        "tr",
        {},
        el("td", { text: name }),
        el("td", {}, el("code", { text: signature(value) })),
        el("td", {
          class: "muted",
          text: minimum === null ? "" : `${minimum.toPrecision(4)} … ${maximum.toPrecision(4)}`,
        }),
      );
    element.append(
      el("h2", { text: t("Inputs that were fed") }),
      el("table", { class: "plain" }, head("input", "type", "range"), ...verification.inputs.map(input)),
    );
  }
  if (verification.edges.length) element.append(...edgeTable(model, go));
  if (model.proofs?.length) element.append(...proofTable(model, go));
  element.append(el("h2", { text: t("Error by depth") }));
  if (model.hasErrors) return new ErrorPlot(model, element, go.node);
  element.append(el("p", { class: "muted", text: t("No node was compared by itself.") }));
  return null;
}

/** The tab that says what ran, on what, and how long it took. */
function showRun(model, element, licences) {
  const { source, tool, environment, options, timings, files } = model;
  const pair = ([name, value]) => el("tr", {}, el("th", { text: name }), el("td", { text: value }));
  const plain = (value) => (Array.isArray(value) ? value.join(" ") || "–" : value === null ? "–" : String(value));
  const longest = Math.max(...Object.values(timings), 1e-9);
  const bar = ([stage, seconds]) =>
    el(
      "tr",
      {},
      el("th", { text: t(stage) }),
      el("td", { class: "right", text: `${seconds.toFixed(2)} s` }),
      el("td", { class: "wide" }, el("i", { class: "time", style: `width: ${(100 * seconds) / longest}%` })),
    );
  const whole = Object.values(timings).reduce((a, b) => a + b, 0);
  const part = (title, ...content) => el("div", { class: "part" }, el("h2", { text: title }), ...content);
  if (model.notes.length) {
    element.append(part(t("Notes"), el("ul", {}, ...model.notes.map((text) => el("li", { text: said(text) })))));
  }
  element.append(
    el(
      "div",
      { class: "columns" },
      part(
        t("Source"),
        el(
          "table",
          { class: "pairs" },
          ...[
            [t("file"), source.file],
            [t("what"), source.description],
            [t("size"), bytes(source.bytes)],
            ["SHA-256", source.sha256],
            [t("runs on"), source.runs_on],
          ].map(pair),
        ),
      ),
      part(
        t("Time: {time} s, memory: {memory}", { time: whole.toFixed(1), memory: bytes(model.peak_memory) }),
        el("table", { class: "pairs" }, ...Object.entries(timings).map(bar)),
      ),
      part(
        t("Versions"),
        el(
          "table",
          { class: "pairs" },
          ...[
            [tool.name, tool.version],
            ["Python", environment.python],
            ...Object.entries(environment.packages),
            [t("platform"), environment.platform],
          ].map(pair),
        ),
      ),
      part(
        t("Options"),
        el("table", { class: "pairs" }, ...Object.entries(options).map(([name, value]) => pair([name, plain(value)]))),
      ),
      part(t("Files"), el("ul", {}, ...files.map((file) => el("li", {}, el("code", { text: file }))))),
      part(
        t("This page"),
        el("p", { class: "muted", text: t("It needs nothing but this file. These libraries are in it, unchanged:") }),
        ...licences.map(({ name, text }) => el("details", {}, el("summary", { text: name }), el("pre", { text }))),
      ),
    ),
  );
}
