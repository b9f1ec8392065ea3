// A table of any length that can be filtered and sorted, with mouse or keyboard.

const ROW = 32; // pixels

class Table {
  /**
   * @param {object[]} rows
   * @param {{title: string, width: string, value: Function, show?: Function, right?: boolean}[]} columns `value` is
   *   what a row is sorted by, `show` makes an element of it where text is not enough.
   * @param {(row: object) => void} open is called with the row that was chosen.
   */
  constructor(element, rows, columns, { name, words, chips = [], open }) {
    Object.assign(this, { all: rows, rows, columns, words, open, sortedBy: null, ascending: true, at: 0, chip: null });
    this.filter = el("input", {
      type: "search",
      placeholder: t("Filter {name}", { name }),
      "aria-label": t("Filter {name}", { name }),
      oninput: () => this.update(),
    });
    this.total = el("span", { class: "muted total", "aria-live": "polite" });
    this.chips = chips.map(({ title, test, kind }) => {
      const button = el("button", { class: `chip ${kind || ""}`, "aria-pressed": "false", text: title });
      button.addEventListener("click", () => this.press(this.chip === test ? null : test));
      return { button, test };
    });
    this.heads = columns.map((column) =>
      el("button", {
        role: "columnheader",
        class: column.right ? "right" : "",
        text: t(column.title),
        onclick: () => this.sort(column),
      }),
    );
    this.body = el("div", { class: "body", tabindex: 0, role: "rowgroup", "aria-label": name });
    const style = `grid-template-columns: ${columns.map(({ width }) => width).join(" ")}`;
    this.style = style;
    element.append(
      el("div", { class: "controls" }, this.filter, ...this.chips.map(({ button }) => button), this.total),
      el(
        "div",
        { class: "table", role: "table", "aria-label": name },
        el("div", { class: "head", role: "row", style }, ...this.heads),
        this.body,
      ),
    );
    this.list = new VirtualList(this.body, ROW, (index) => this.#row(index));
    this.body.addEventListener("keydown", (event) => this.#key(event));
    this.update();
  }

  press(test) {
    this.chip = test;
    for (const { button, test: own } of this.chips) button.setAttribute("aria-pressed", String(own === test));
    this.update();
  }

  sort(column) {
    this.ascending = this.sortedBy === column ? !this.ascending : !column.right;
    this.sortedBy = column;
    this.columns.forEach((each, i) =>
      this.heads[i].setAttribute("aria-sort", each === column ? (this.ascending ? "ascending" : "descending") : "none"),
    );
    this.update();
  }

  update() {
    const words = this.filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    this.rows = this.all.filter(
      (row) => (!this.chip || this.chip(row)) && words.every((word) => this.words(row).includes(word)),
    );
    if (this.sortedBy) {
      const { value } = this.sortedBy;
      const sign = this.ascending ? 1 : -1;
      const less = (a, b) =>
        typeof a === "number" && typeof b === "number"
          ? a - b
          : String(a).localeCompare(String(b), "en", { numeric: true });
      this.rows = [...this.rows].sort((a, b) => sign * less(value(a), value(b)));
    }
    this.total.textContent =
      this.rows.length === this.all.length
        ? t("{number} in all", { number: this.all.length.toLocaleString("en") })
        : t("{part} of {whole}", {
            part: this.rows.length.toLocaleString("en"),
            whole: this.all.length.toLocaleString("en"),
          });
    this.at = 0;
    this.body.scrollTop = 0;
    this.#redraw();
  }

  /** Shows one row, filtered or not. */
  reveal(row) {
    this.filter.value = "";
    this.press(null);
    this.at = Math.max(0, this.rows.indexOf(row));
    this.#redraw();
    this.list.reveal(this.at, true);
    this.body.focus({ preventScroll: true });
  }

  #redraw() {
    this.list.reset(this.rows.length);
  }

  #row(index) {
    const row = this.rows[index];
    const cells = this.columns.map((column) => {
      const value = column.show ? column.show(row) : column.value(row);
      const cell = el("span", { role: "cell", class: column.right ? "right" : "" });
      cell.append(value instanceof Node ? value : String(value));
      if (!(value instanceof Node)) cell.title = String(value);
      return cell;
    });
    const element = el(
      "div",
      { class: `row${index === this.at ? " at" : ""}`, role: "row", style: this.style },
      ...cells,
    );
    element.addEventListener("click", () => {
      this.at = index;
      this.open(row);
    });
    return element;
  }

  #key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 15, PageUp: -15, Home: -Infinity, End: Infinity }[event.key];
    if (step) {
      this.at = Math.max(0, Math.min(this.at + step, this.rows.length - 1));
      this.#redraw();
      this.list.reveal(this.at);
    } else if (event.key === "Enter" && this.rows[this.at]) this.open(this.rows[this.at]);
    else return;
    event.preventDefault();
  }
}

function nodeTable(model, element, open) {
  const pill = (node) => el("span", { class: `pill ${node.status}`, text: t(node.status) });
  const columns = [
    { title: "#", width: "64px", right: true, value: (node) => node.id },
    { title: "operator", width: "minmax(90px, 1fr)", value: (node) => node.operatorName },
    { title: "name", width: "minmax(120px, 2fr)", value: (node) => node.name },
    { title: "stands in", width: "minmax(90px, 1.3fr)", value: (node) => node.path },
    { title: "outcome", width: "124px", value: (node) => STATUSES.indexOf(node.status), show: pill },
    { title: "became", width: "minmax(90px, 1.3fr)", value: (node) => node.became },
  ];
  if (model.script)
    columns.push({
      title: "line",
      width: "76px",
      right: true,
      value: (node) => node.line + node.column / 1000,
      show: (node) => document.createTextNode(`${node.line}:${node.column}`),
    });
  if (model.hasErrors)
    columns.push({
      title: "error",
      width: "96px",
      right: true,
      value: (node) => severity(node.error && node),
      show: (node) => document.createTextNode(node.error ? errorText(node) : ""),
    });
  const chips = STATUSES.filter((status) => model.summary[status]).map((status) => ({
    title: `${t(status)} ${model.summary[status].toLocaleString("en")}`,
    kind: status,
    test: (node) => node.status === status,
  }));
  return new Table(element, model.nodes, columns, { name: t("nodes"), words: (node) => node.words, chips, open });
}

function weightTable(model, element, open) {
  const columns = [
    { title: "parameter", width: "minmax(150px, 2fr)", value: (weight) => weight.name },
    {
      title: "shape",
      width: "minmax(90px, 1fr)",
      value: (weight) => weight.elements,
      show: (weight) => document.createTextNode(`[${weight.shape.join(", ")}]`),
    },
    { title: "type", width: "84px", value: (weight) => weight.dtype },
    {
      title: "elements",
      width: "104px",
      right: true,
      value: (weight) => weight.elements,
      show: (weight) => document.createTextNode(weight.elements.toLocaleString("en")),
    },
    {
      title: "size",
      width: "84px",
      right: true,
      value: (weight) => weight.bytes,
      show: (weight) => document.createTextNode(bytes(weight.bytes)),
    },
    { title: "trained", width: "76px", value: (weight) => (t(weight.trainable ? "yes" : "no")) },
    { title: "comes from", width: "minmax(150px, 2fr)", value: (weight) => weight.source.name },
    {
      title: "through",
      width: "minmax(80px, 1fr)",
      value: (weight) => weight.transform.map(({ op }) => op).join(", "),
    },
  ];
  const chips = [
    { title: t("trained"), test: (weight) => weight.trainable },
    { title: t("not trained"), test: (weight) => !weight.trainable },
    { title: t("rearranged"), test: (weight) => weight.transform.length > 0 },
  ];
  const words = (weight) => (weight.words ??= `${weight.name}\n${weight.source.name}\n${weight.dtype}`.toLowerCase());
  return new Table(element, model.weights, columns, { name: t("weights"), words, chips, open });
}
