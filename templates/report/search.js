// The field that finds nodes: `/` goes there, arrows choose, Enter goes to the node.

class Search {
  constructor(model, field, list, go) {
    Object.assign(this, { model, field, list, go, found: [], at: -1 });
    this.summary = el("p", { class: "muted summary" });
    this.scroller = el("div", { class: "results" });
    list.append(this.summary, this.scroller);
    this.rows = new VirtualList(this.scroller, 44, (index) => this.#row(index));
    field.addEventListener("input", () => this.#search());
    field.addEventListener("focus", () => this.#search());
    field.addEventListener("keydown", (event) => this.#key(event));
    document.addEventListener("pointerdown", (event) => {
      if (!list.contains(event.target) && event.target !== field) this.close();
    });
  }

  #search() {
    const query = this.field.value.trim();
    if (!query) return this.close();
    this.found = this.model.find(query);
    this.at = this.found.length ? 0 : -1;
    this.list.hidden = false;
    this.field.setAttribute("aria-expanded", "true");
    this.summary.textContent = this.found.length
      ? `${count(this.found.length, "node")}`
      : t("No node has that in its name, operator, scope or result.");
    this.scroller.style.height = `${Math.min(this.found.length, 9) * 44}px`;
    this.scroller.scrollTop = 0;
    this.rows.reset(this.found.length);
    this.#announce();
  }

  close() {
    this.list.hidden = true;
    this.field.setAttribute("aria-expanded", "false");
    this.field.removeAttribute("aria-activedescendant");
  }

  #row(index) {
    const node = this.found[index];
    const row = el("div", {
      class: `result${index === this.at ? " at" : ""}`,
      role: "option",
      id: `found-${index}`,
      "aria-selected": index === this.at ? "true" : "false",
      onclick: () => this.#choose(index),
    });
    row.append(
      el("span", { class: `dot ${node.status}` }),
      el("span", { class: "what" }, el("b", { text: node.operatorName }), ` ${node.name}`),
      el("span", { class: "muted where", text: node.path || node.scope }),
    );
    return row;
  }

  #choose(index) {
    const node = this.found[index];
    if (!node) return;
    this.close();
    this.go(node);
  }

  #key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && this.found.length) {
      this.at = (this.at + step + this.found.length) % this.found.length;
      this.rows.reset(this.found.length);
      this.rows.reveal(this.at);
      this.#announce();
    } else if (event.key === "Enter") this.#choose(this.at);
    else if (event.key === "Escape") {
      if (this.list.hidden) this.field.blur();
      this.field.value = "";
      this.close();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #announce() {
    if (this.at >= 0) this.field.setAttribute("aria-activedescendant", `found-${this.at}`);
  }
}
