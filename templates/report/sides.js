// The page of script mode: source and result side by side, and what became of each use of PyTorch.

const SEVERITIES = ["info", "check", "by hand"];
const COLOUR = { info: "converted", check: "approximate", "by hand": "unconverted" };
const FINDING = 44; // pixels
const AROUND = 3; // lines that stay in sight around those that changed
const LINE_BREAK = /\r\n|\r|\n/;

/** A file, its lines in pairs: [line of the source, line of the result, whether it changed]; null where one has none. */
class Sides {
  constructor(file, nodes) {
    Object.assign(this, { path: file.path });
    this.texts = [file.source, file.result].map((text) => text.split(LINE_BREAK));
    this.tokens = [file.source, file.result].map((text) =>
      text.length <= LARGEST ? tokensByLine(text.replace(/\r\n?/g, "\n")) : null,
    );
    this.spans = [groupBy(file.removed, ([line]) => line), groupBy(file.added, ([line]) => line)];
    this.findings = file.findings.map(([id, line]) => ({ ...nodes[id], row: line }));
    this.byLine = groupBy(this.findings, ({ row }) => row);
    this.pairs = [...this.#paired(file.blocks)];
    this.rowOf = new Map(this.pairs.map(([line], row) => [line, row]).filter(([line]) => line !== null));
  }

  *#paired(blocks) {
    let [a, b] = [0, 0];
    for (const [old, removed, made, added] of [...blocks, [this.texts[0].length, 0, this.texts[1].length, 0]]) {
      for (; a < old; a++, b++) yield [a, b, false];
      for (let i = 0; i < Math.max(removed, added); i++)
        yield [i < removed ? old + i : null, i < added ? made + i : null, true];
      [a, b] = [old + removed, made + added];
    }
  }

  /** The rows of what changed or has a finding, with some around, and numbers of rows that are left out between them. */
  folded() {
    const near = new Set();
    this.pairs.forEach(([line, , changed], row) => {
      if (changed || this.byLine.has(line)) for (let i = row - AROUND; i <= row + AROUND; i++) near.add(i);
    });
    const shown = [];
    this.pairs.forEach((pair, row) => {
      if (near.has(row)) shown.push(row);
      else if (typeof shown[shown.length - 1] === "object") shown[shown.length - 1].hidden++;
      else shown.push({ hidden: 1 });
    });
    return shown;
  }
}

class SidesView {
  constructor(data) {
    this.data = data;
    this.severities = new Set(SEVERITIES);
    this.isFolded = false;
    this.current = null;
    this.halves = ["source", "result"].map((side) => {
      const name = t(side === "source" ? "Source, PyTorch" : "Result, MindSpore");
      const scroller = el("div", { class: "code", tabindex: 0, "aria-label": name });
      byId("halves").append(el("div", { class: "half" }, el("div", { class: "caption" }, el("b", { text: name })), scroller));
      return scroller;
    });
    this.lists = this.halves.map((scroller, side) => new VirtualList(scroller, LINE, (row) => this.#row(row, side)));
    this.halves.forEach((scroller, side) =>
      scroller.addEventListener("scroll", () => {
        const other = this.halves[1 - side];
        if (other.scrollTop !== scroller.scrollTop) other.scrollTop = scroller.scrollTop;
      }, { passive: true }),
    );
    this.#controls();
    this.open(data.sides.findIndex(({ findings }) => findings.some(([id]) => data.nodes[id].severity === "by hand")));
  }

  /** Shows a file; -1 is the first. */
  open(number) {
    this.number = Math.max(number, 0);
    this.file = new Sides(this.data.sides[this.number], this.data.nodes);
    this.chooser.value = String(this.number);
    this.current = null;
    this.#show();
    this.#list();
  }

  /** Goes to a finding. */
  go(finding) {
    this.current = finding;
    const row = this.file.rowOf.get(finding.row) ?? 0;
    for (const list of this.lists) list.reset(list.length);
    this.lists[0].reveal(this.rows.indexOf(row), true);
    this.lists[1].scroller.scrollTop = this.lists[0].scroller.scrollTop;
    this.found.reset(this.found.length);
    this.found.reveal(this.shown.indexOf(finding));
  }

  /** Goes to the next finding that the filter lets through, or back, also in other files. */
  step(by) {
    const at = this.shown.indexOf(this.current) + (this.current || by > 0 ? by : 0);
    if (this.shown[at]) return this.go(this.shown[at]);
    const files = this.data.sides.length;
    for (let i = 1; i <= files; i++) {
      const other = (this.number + by * i + files * i) % files;
      if (!this.data.sides[other].findings.some(([id]) => this.severities.has(this.data.nodes[id].severity))) continue;
      this.open(other);
      return this.go(this.shown[by > 0 ? 0 : this.shown.length - 1]);
    }
    return undefined;
  }

  #controls() {
    const { sides, nodes } = this.data;
    const left = ({ findings }) => findings.filter(([id]) => !nodes[id].converted).length;
    this.chooser = el(
      "select",
      { "aria-label": t("File"), onchange: () => this.open(Number(this.chooser.value)) },
      ...sides.map((file, i) => el("option", { value: i, text: `${file.path}${left(file) ? ` · ${left(file)} !` : ""}` })),
    );
    const fold = el("button", {
      class: "chip",
      "aria-pressed": "false",
      text: t("Only what changed"),
      onclick: () => {
        this.isFolded = !this.isFolded;
        fold.setAttribute("aria-pressed", String(this.isFolded));
        this.#show();
      },
    });
    const arrow = (text, title, by) =>
      el("button", { class: "icon", text, title, "aria-label": title, onclick: () => this.step(by) });
    byId("toolbar").append(
      this.chooser,
      fold,
      el("span", { class: "space" }),
      arrow("↑", t("The finding before"), -1),
      arrow("↓", t("The next finding"), 1),
    );
    const counts = groupBy(nodes, ({ severity }) => severity);
    const chips = SEVERITIES.map((severity) =>
      el("button", {
        class: `chip ${COLOUR[severity]}`,
        "aria-pressed": "true",
        "data-severity": severity,
        text: `${t(severity)} ${(counts.get(severity) || []).length.toLocaleString("en")}`,
        onclick: ({ currentTarget }) => {
          if (!this.severities.delete(severity)) this.severities.add(severity);
          currentTarget.setAttribute("aria-pressed", String(this.severities.has(severity)));
          this.#list();
          for (const list of this.lists) list.reset(list.length);
        },
      }),
    );
    const body = el("div", { class: "results", tabindex: 0, "aria-label": t("Findings") });
    byId("findings").append(el("div", { class: "toolbar" }, ...chips), body);
    this.found = new VirtualList(body, FINDING, (index) => this.#finding(this.shown[index]));
  }

  #show() {
    this.rows = this.isFolded ? this.file.folded() : this.file.pairs.map((_, row) => row);
    this.lists.forEach((list, side) => {
      const longest = this.file.texts[side].reduce((most, { length }) => Math.max(most, length), 0);
      list.content.style.minWidth = `calc(${longest}ch + 90px)`;
      list.scroller.scrollTop = 0;
      list.reset(this.rows.length);
    });
  }

  #list() {
    this.shown = this.file.findings.filter(({ severity }) => this.severities.has(severity));
    this.found.scroller.scrollTop = 0;
    this.found.reset(this.shown.length);
  }

  #finding(finding) {
    const what = finding.converted ? `${finding.operator} → ${finding.became}` : finding.operator;
    const more = finding.converted ? said(finding.note) : said(finding.became);
    return el(
      "div",
      {
        class: `result${finding === this.current ? " at" : ""}`,
        title: [what, more].filter(Boolean).join("\n"),
        onclick: () => this.go(finding),
      },
      el("i", { class: `dot ${COLOUR[finding.severity]}` }),
      el("span", { text: `${t("line {line}", { line: finding.line })}: ${what}` }),
      el("span", { class: "where muted", text: more }),
    );
  }

  #row(index, side) {
    const row = this.rows[index];
    if (typeof row === "object") return el("div", { class: "line gap", text: `⋯ ${count(row.hidden, "line")}` });
    const [line, , changed] = this.file.pairs[row];
    const own = this.file.pairs[row][side];
    const findings = (side === 0 && this.file.byLine.get(line)) || [];
    const seen = findings.filter(({ severity }) => this.severities.has(severity));
    const worst = SEVERITIES.findLast((severity) => seen.some((finding) => finding.severity === severity));
    const tone = changed ? (side ? " added" : " removed") : "";
    const isCurrent = this.current !== null && this.current.row === line;
    return el(
      "div",
      {
        class: `line${own === null ? " none" : tone}${isCurrent ? " current" : ""}${seen.length ? " linked" : ""}`,
        title: seen.map((each) => `${each.operator}: ${said(each.note || each.became)}`).join("\n") || null,
        onclick: seen.length ? () => this.go(seen[seen.length - 1]) : null,
      },
      el("span", { class: "no", text: own === null ? "" : own + 1 }),
      el("span", { class: `mark ${worst ? COLOUR[worst] : ""}` }),
      own === null ? "" : el("code", {}, ...this.#content(own, side)),
    );
  }

  /** The text of a line, highlighted, what changed in marks of its own. */
  #content(line, side) {
    const tokens = this.file.tokens[side]?.[line] ?? [["", this.file.texts[side][line]]];
    const spans = this.file.spans[side].get(line) || [];
    const parts = [];
    let at = 0;
    for (const [kind, text] of tokens) {
      const cuts = spans.flatMap(([, from, to]) => [from - at, to - at]).filter((cut) => cut > 0 && cut < text.length);
      for (const [i, from] of [0, ...cuts].entries()) {
        const part = text.slice(from, cuts[i] ?? text.length);
        const isChanged = spans.some(([, first, last]) => first <= at + from && at + from < last);
        const inner = kind ? el("span", { class: `token ${kind}`, text: part }) : part;
        parts.push(isChanged ? el("mark", {}, inner) : inner);
      }
      at += text.length;
    }
    return parts;
  }
}

/** The header: what converted, what is left, and whether a network was proved. */
function showScripts({ nodes, sides, summary, verification, source, network, tool }, element, open) {
  const left = summary.unconverted;
  const check = nodes.filter(({ severity }) => severity === "check").length;
  const [kind, mark, headline] = {
    same: ["same", "✓", t("The network computes what its source computes")],
    differs: ["differs", "≠", t("The network differs from its source")],
    "not comparable": ["not-comparable", "?", t("Network and source could not be compared")],
  }[summary.verdict] || ["not-verified", "–", t("Written, but not verified")];
  const first = verification.first_difference;
  const items = [];
  if (first) items.push([t("Look at {operator}, line {line}: the first that differs", { operator: first.operator, line: first.line }), () => open("errors")]);
  if (left) items.push([t("Write {calls} by hand", { calls: count(left, "call") }), () => open("sides")]);
  if (check) items.push([t("Review {findings}", { findings: count(check, "finding") }), () => open("sides")]);
  if (summary.verdict === "not verified") items.push([t("Prove a network of it: --verify_network"), () => open("run")]);
  document.title = network.name;
  element.classList.add(kind);
  element.append(
    el("div", { class: "seal", "aria-hidden": "true", text: left ? "!" : mark }),
    el(
      "div",
      { class: "headline" },
      el("p", { class: "muted", text: `${source.description} → MindSpore` }),
      el("h1", { text: headline }),
      el("p", { class: "muted basis", text: verification.note && sentence(said(verification.note)) }),
    ),
    tile(
      t("converted"),
      percent(summary.rate),
      t("{part} of {whole}", {
        part: (summary.nodes - left).toLocaleString("en"),
        whole: count(summary.nodes, "call"),
      }),
    ),
    tile(t("files"), sides.length.toLocaleString("en"), count(network.script_lines, "line")),
    el(
      "div",
      { class: "tile todo" },
      el("p", { class: "key", text: t("left to do") }),
      items.length
        ? el("ul", {}, ...items.map(([text, onclick]) => el("li", {}, el("button", { class: "link", text, onclick }))))
        : el("p", { class: "value", text: t("Nothing") }),
    ),
  );
  element.title = `${tool.name} ${tool.version}`;
}

translatePage();
const openTab = tabBar(["sides", "errors", "run"]);
showScripts(DATA, byId("verdict"), openTab);
const view = new SidesView(DATA);
showErrors({ ...DATA, hasErrors: false }, byId("errors"), {});
showRun(DATA, byId("run"), DATA.licences);
splitter(byId("split-sides"), "--left");
followTheme(() => {});
document.addEventListener("keydown", (event) => {
  const by = { j: 1, k: -1 }[event.key];
  if (by && !event.target.matches("select")) view.step(by);
});
