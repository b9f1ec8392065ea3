// The picture: cards for nodes and closed groups, frames for open ones, lines between them.

const MOST_DRAWN = 1500; // cards; opening everything stops there

class GraphView {
  /** `choose` is told what was clicked: a node, a group, or an end of the network. */
  constructor(model, canvas, choose) {
    Object.assign(this, { model, canvas, choose, by: "status", current: null, marked: new Set() });
    this.cards = new Map(); // item → {element, x, y, width, height}
    this.layer = svg("g");
    this.svg = svg("svg", {
      class: "graph",
      role: "application",
      tabindex: 0,
      "aria-label": t(
        "Graph. Arrow keys go from card to card, Enter opens, Escape closes, plus and minus zoom, 0 fits.",
      ),
    });
    this.svg.append(arrowHead(), this.layer);
    canvas.append(this.svg);
    this.zoom = d3
      .zoom()
      .scaleExtent([0.02, 3])
      .on("zoom", ({ transform }) => {
        this.layer.setAttribute("transform", transform);
        this.svg.classList.toggle("far", transform.k < 0.35);
      });
    this.selection = d3.select(this.svg).call(this.zoom).on("dblclick.zoom", null);
    this.svg.addEventListener("keydown", (event) => this.#key(event));
    this.svg.addEventListener("focus", () => this.svg.classList.add("focused"));
    this.svg.addEventListener("blur", () => this.svg.classList.remove("focused"));
    this.draw();
    this.fitWhenShown();
  }

  /** Fits the picture as soon as the canvas has a size. */
  fitWhenShown() {
    const observer = new ResizeObserver(() => {
      if (!this.canvas.clientWidth) return;
      observer.disconnect();
      this.fit(false);
    });
    observer.observe(this.canvas);
  }

  draw() {
    this.cards.clear();
    this.layer.replaceChildren();
    this.#drawInside(layoutOf(this.model.root), 0, 0);
    this.#showCurrent();
  }

  #drawInside(layout, dx, dy) {
    const edges = svg("g", { class: "edges" });
    this.layer.append(edges);
    for (const edge of layout.edges) edges.append(edgeElement(edge, dx, dy, this.model.values));
    for (const box of layout.boxes) {
      const { item } = box;
      const placed = { ...box, x: box.x + dx, y: box.y + dy };
      const isOpen = item instanceof Group && item.open;
      placed.element = isOpen ? frame(placed) : card(placed, this.by);
      placed.element.append(...stubs(placed));
      placed.element.classList.toggle("marked", this.marked.has(item));
      placed.element.addEventListener("click", (event) => this.#click(event, item));
      this.layer.append(placed.element);
      this.cards.set(item, placed);
      if (isOpen) {
        const inside = layoutOf(item);
        const left = (box.width - inside.width) / 2;
        this.#drawInside(inside, placed.x + left, placed.y + SIZE.head + SIZE.padding);
      }
    }
  }

  #click(event, item) {
    event.stopPropagation();
    this.svg.focus({ preventScroll: true });
    if (item instanceof Group) this.toggle(item);
    else this.setCurrent(item);
    this.choose(item);
  }

  /** Opens or closes a group, which stays where it is on the screen. */
  toggle(group) {
    const before = this.cards.get(group);
    setOpen(group, !group.open);
    this.draw();
    this.setCurrent(group);
    const after = this.cards.get(group);
    const { k } = this.transform;
    const middle = (placed) => placed.x + placed.width / 2;
    this.selection.call(this.zoom.translateBy, middle(before) - middle(after), before.y - after.y);
    if (group.open && after.height * k > this.canvas.clientHeight * 1.5) this.show(after, false);
  }

  /** Opens whatever hides an item, and brings it into the middle. */
  reveal(item, animated = true) {
    let hidden = false;
    for (let group = item.parent; group; group = group.parent)
      if (!group.open) {
        setOpen(group, true);
        hidden = true;
      }
    if (hidden) this.draw();
    this.setCurrent(item);
    this.show(this.cards.get(item), animated && !hidden);
  }

  /** Opens all groups, as many as can be drawn; or closes all. */
  setAll(open) {
    const waiting = [...this.model.root.children];
    let drawn = waiting.length;
    while (waiting.length) {
      const item = waiting.shift();
      if (!(item instanceof Group)) continue;
      if (open && drawn + item.children.length > MOST_DRAWN) continue;
      if (open) drawn += item.children.length;
      setOpen(item, open);
      waiting.push(...item.children);
    }
    this.draw();
    this.fit();
  }

  /** Colours by `status` or by `error`. */
  colour(by) {
    this.by = by;
    this.draw();
  }

  /** Marks items, such as the nodes of a line. */
  mark(items) {
    this.marked = new Set(items);
    for (const [item, { element }] of this.cards) element.classList.toggle("marked", this.marked.has(item));
  }

  setCurrent(item) {
    this.current = item;
    this.#showCurrent();
  }

  #showCurrent() {
    for (const [item, { element }] of this.cards) element.classList.toggle("current", item === this.current);
    for (const line of this.layer.querySelectorAll(".edge")) {
      const beside = line.edge.from === this.current || line.edge.to === this.current;
      line.classList.toggle("beside", Boolean(this.current) && beside);
    }
    const placed = this.cards.get(this.current);
    if (placed) this.svg.setAttribute("aria-activedescendant", placed.element.id);
  }

  get transform() {
    return d3.zoomTransform(this.svg);
  }

  fit(animated = true) {
    const { width, height } = layoutOf(this.model.root);
    const { clientWidth, clientHeight } = this.canvas;
    const k = Math.min(1, (clientWidth - 48) / width, (clientHeight - 48) / height);
    const legible = Math.max(k, 0.75);
    const y = legible > k && height * legible > clientHeight ? 24 : (clientHeight - height * legible) / 2;
    this.#move(d3.zoomIdentity.translate((clientWidth - width * legible) / 2, y).scale(legible), animated);
  }

  /** The whole picture, however small. */
  fitAll() {
    const { width, height } = layoutOf(this.model.root);
    const { clientWidth, clientHeight } = this.canvas;
    const k = Math.min(1, (clientWidth - 48) / width, (clientHeight - 48) / height);
    this.#move(
      d3.zoomIdentity.translate((clientWidth - width * k) / 2, (clientHeight - height * k) / 2).scale(k),
      true,
    );
  }

  /** Brings a card into the middle, at a size that can be read. */
  show({ x, y, width, height }, animated = true) {
    const k = Math.min(Math.max(this.transform.k, 0.7), 1.2);
    const { clientWidth, clientHeight } = this.canvas;
    const top = height * k > clientHeight ? 16 - y * k : clientHeight / 2 - (y + height / 2) * k;
    this.#move(d3.zoomIdentity.translate(clientWidth / 2 - (x + width / 2) * k, top).scale(k), animated);
  }

  zoomBy(factor) {
    this.selection.call(this.zoom.scaleBy, factor);
  }

  #move(transform, animated) {
    const still = !animated || matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.selection.interrupt();
    (still ? this.selection : this.selection.transition().duration(250)).call(this.zoom.transform, transform);
  }

  #key(event) {
    const step = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (step) this.#go(...step);
    else if (event.key === "Enter" || event.key === " ") this.#enter();
    else if (event.key === "Escape") this.#leave();
    else if (event.key === "+" || event.key === "=") this.zoomBy(1.3);
    else if (event.key === "-") this.zoomBy(1 / 1.3);
    else if (event.key === "0") this.fitAll();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Goes to the nearest card in a direction. */
  #go(dx, dy) {
    const here = this.cards.get(this.current);
    const centre = (placed) => [
      placed.x + placed.width / 2,
      placed.y + (isFrame(placed.item) ? 17 : placed.height / 2),
    ];
    let best = null;
    let least = Infinity;
    for (const placed of this.cards.values()) {
      if (placed.item === this.current) continue;
      const [x, y] = centre(placed);
      const [fromX, fromY] = here ? centre(here) : [x, y - 1];
      const ahead = (x - fromX) * dx + (y - fromY) * dy;
      const aside = Math.abs((x - fromX) * dy) + Math.abs((y - fromY) * dx);
      const distance = here ? ahead + 2.5 * aside : y;
      if ((!here || ahead > 1) && distance < least) [best, least] = [placed, distance];
    }
    if (!best) return;
    this.setCurrent(best.item);
    this.show(best);
    this.choose(best.item);
  }

  #enter() {
    if (this.current instanceof Group) this.toggle(this.current);
    if (this.current) this.choose(this.current);
    else this.#go(0, 1);
  }

  /** Closes the group, or the one around it. */
  #leave() {
    let group = this.current instanceof Group && this.current.open ? this.current : this.current?.parent;
    if (!group || group === this.model.root) return this.mark([]);
    this.toggle(group);
    this.show(this.cards.get(group));
    this.choose(group);
  }
}

const isFrame = (item) => item instanceof Group && item.open;
