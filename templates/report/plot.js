// Error by depth: a dot for every node that was compared, in the order of the graph.

const SMALLEST = 1e-12; // where the logarithmic axis begins

/** Where the axis has lines: at every second power of ten. */
function decades(_, axis, low, high) {
  const powers = [];
  for (let power = Math.ceil(Math.log10(low)); power <= Math.log10(high); power++)
    if (power % 2 === 0) powers.push(10 ** power);
  return powers;
}

const tickText = (tick) => (tick <= SMALLEST * 1.01 ? "0" : `1e${Math.round(Math.log10(tick))}`);

class ErrorPlot {
  constructor(model, element, choose) {
    this.nodes = model.nodes.filter(({ error }) => error && error.verdict !== "not comparable");
    this.choose = choose;
    this.caption = el("p", {
      class: "muted",
      "aria-live": "polite",
      text: t("Maximum absolute error of every node on its source's inputs. A click, or Enter, goes to the node."),
    });
    this.holder = el("div", {
      class: "plot",
      tabindex: 0,
      role: "slider",
      "aria-label": t("Error by depth"),
      "aria-valuemin": 0,
      "aria-valuemax": this.nodes.length - 1,
      "aria-valuenow": 0,
    });
    element.append(this.holder, this.caption);
    this.at = Math.max(
      0,
      this.nodes.findIndex((node) => node.error.verdict === "differs"),
    );
    this.holder.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.draw()).observe(this.holder);
  }

  draw() {
    const width = this.holder.clientWidth;
    if (!width) return;
    this.plot?.destroy();
    const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    const largest = this.nodes.reduce((most, { error }) => Math.max(most, error.max_abs ?? 0), 0) || 1;
    const unnumbered = ({ error }) => (error.verdict === "differs" ? largest : 0); // it raises, or has another shape
    const size = (node) => Math.max(node.error.max_abs ?? unnumbered(node), SMALLEST);
    const of = (differs) =>
      this.nodes.map((node) => ((node.error.verdict === "differs") === differs ? size(node) : null));
    const dots = (label, tone) => ({
      label,
      stroke: tone,
      fill: tone,
      paths: () => null,
      points: { show: true, size: 7, fill: tone, stroke: tone },
    });
    const axis = {
      stroke: colour("--muted"),
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { stroke: colour("--line") },
    };
    this.plot = new uPlot(
      {
        width,
        height: 320,
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false } },
        scales: {
          x: { time: false, range: [-0.5, Math.max(this.nodes.length - 0.5, 0.5)] },
          y: { distr: 3, range: (_, low, high) => [low / 3, high * 3] },
        },
        axes: [
          { ...axis, label: t("depth"), labelSize: 22 },
          {
            ...axis,
            size: 70,
            splits: decades,
            filter: (_, ticks) => ticks,
            values: (_, ticks) => ticks.map(tickText),
          },
        ],
        series: [{}, dots(t("same"), colour("--converted")), dots(t("differs"), colour("--unconverted"))],
        hooks: { setCursor: [({ cursor }) => this.#point(cursor.idx)] },
      },
      [this.nodes.map((_, i) => i), of(false), of(true)],
      this.holder,
    );
    this.plot.over.addEventListener("click", () => this.choose(this.nodes[this.at]));
  }

  #point(index) {
    if (index === null || index === undefined || !this.nodes[index]) return;
    this.at = index;
    const node = this.nodes[index];
    this.caption.textContent = `${index + 1}. ${node.operatorName} ${node.name}: ${t(node.error.verdict)}, ${scientific(node.error.max_abs)}`;
    this.holder.setAttribute("aria-valuenow", index);
    this.holder.setAttribute("aria-valuetext", this.caption.textContent);
  }

  #key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    if (step) {
      const next = Math.max(0, Math.min(this.at + step, this.nodes.length - 1));
      this.plot.setCursor({ left: this.plot.valToPos(next, "x"), top: 10 });
    } else if (event.key === "Enter") this.choose(this.nodes[this.at]);
    else return;
    event.preventDefault();
  }
}
