// The script, highlighted, with a mark on every line that nodes became.

const LINE = 20; // pixels
const LARGEST = 1e6; // characters that are highlighted

class ScriptView {
  /** `choose` is told the number of a line that was clicked. */
  constructor(model, element, choose) {
    Object.assign(this, { model, choose, current: null, group: [] });
    const name = `${model.network.name}.py`;
    this.scroller = el("div", { class: "code", tabindex: 0, role: "listbox", "aria-label": t("{name}, the script", { name }) });
    const text = model.script;
    element.append(
      el(
        "div",
        { class: "caption" },
        el("b", { text: name }),
        el("span", { class: "muted", text: count(model.lines.length - 1, "line") }),
      ),
      this.scroller,
    );
    this.tokens = text.length <= LARGEST ? tokensByLine(text) : null;
    this.list = new VirtualList(this.scroller, LINE, (index) => this.#row(index));
    this.list.content.style.minWidth = `calc(${model.lines.reduce((most, { length }) => Math.max(most, length), 0)}ch + 90px)`;
    this.list.reset(model.lines.length - 1);
    this.scroller.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Highlights a line and brings it into sight. */
  show(line) {
    this.current = line;
    this.list.reset(this.list.length);
    this.list.reveal(line - 1, true);
  }

  #row(index) {
    const line = index + 1;
    const nodes = this.model.byLine.get(line) || [];
    const differs = nodes.some(({ error }) => error?.verdict === "differs");
    const worst = differs ? "unconverted" : STATUSES.findLast((status) => nodes.some((node) => node.status === status));
    const row = el("div", {
      class: `line${line === this.current ? " current" : ""}${nodes.length ? " linked" : ""}`,
      role: "option",
      id: `line-${line}`,
      "aria-selected": line === this.current ? "true" : "false",
      title: nodes.length ? t("{nodes} of the source", { nodes: count(nodes.length, "node") }) : null,
      onclick: () => this.choose(line),
    });
    row.append(
      el("span", { class: "no", text: line }),
      el("span", { class: `mark ${worst || ""}` }),
      el("code", {}, ...this.#content(index)),
    );
    return row;
  }

  #content(index) {
    if (!this.tokens) return [this.model.lines[index]];
    return this.tokens[index].map(([kind, text]) => (kind ? el("span", { class: `token ${kind}`, text }) : text));
  }

  #key(event) {
    const step = { ArrowUp: -1, ArrowDown: 1, PageUp: -20, PageDown: 20 }[event.key];
    if (step) this.choose(Math.min(Math.max((this.current ?? 0) + step, 1), this.list.length));
    else if (event.key === "Enter" && this.current) this.choose(this.current);
    else return;
    event.preventDefault();
  }
}

/** Prism's tokens, line by line: [kind, text], without the markup that it could make. */
function tokensByLine(text) {
  const lines = [[]];
  const add = (kind, content) => {
    content.split("\n").forEach((part, i) => {
      if (i) lines.push([]);
      if (part) lines[lines.length - 1].push([kind, part]);
    });
  };
  const walk = (token, kind) => {
    if (typeof token === "string") add(kind, token);
    else if (Array.isArray(token)) token.forEach((each) => walk(each, kind));
    else walk(token.content, token.type);
  };
  walk(Prism.tokenize(text, Prism.languages.python), "");
  return lines;
}
