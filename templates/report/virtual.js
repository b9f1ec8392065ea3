// A list of any length: only the rows in sight are elements.

const MARGIN = 8; // rows above and below what is in sight

class VirtualList {
  /**
   * @param {HTMLElement} scroller scrolls; its content is the list's.
   * @param {number} height of a row, in pixels.
   * @param {(index: number) => HTMLElement} render makes the element of a row.
   */
  constructor(scroller, height, render) {
    Object.assign(this, { scroller, height, render, length: 0, rows: new Map() });
    this.content = el("div", { class: "rows" });
    scroller.append(this.content);
    scroller.addEventListener("scroll", () => this.update(), { passive: true });
    new ResizeObserver(() => this.update()).observe(scroller);
  }

  /** Shows so many rows, made anew. */
  reset(length) {
    this.length = length;
    this.content.style.height = `${length * this.height}px`;
    this.rows.clear();
    this.content.replaceChildren();
    this.update();
  }

  /** Makes the rows that came into sight, and drops those that left it. */
  update() {
    const { scrollTop, clientHeight } = this.scroller;
    if (!clientHeight) return;
    const first = Math.max(0, Math.floor(scrollTop / this.height) - MARGIN);
    const last = Math.min(this.length, Math.ceil((scrollTop + clientHeight) / this.height) + MARGIN);
    for (const [index, row] of this.rows)
      if (index < first || index >= last) {
        row.remove();
        this.rows.delete(index);
      }
    for (let index = first; index < last; index++)
      if (!this.rows.has(index)) {
        const row = this.render(index);
        row.style.top = `${index * this.height}px`;
        this.rows.set(index, row);
        this.content.append(row);
      }
  }

  /** Scrolls as little as brings a row into sight, or so that it stands in the middle. */
  reveal(index, centred = false) {
    const { clientHeight, scrollTop } = this.scroller;
    const top = index * this.height;
    const seen = top >= scrollTop + this.height && top + 2 * this.height <= scrollTop + clientHeight;
    if (centred && !seen) this.scroller.scrollTop = top - clientHeight / 2;
    else if (top < scrollTop) this.scroller.scrollTop = top;
    else if (top + this.height > scrollTop + clientHeight) this.scroller.scrollTop = top + this.height - clientHeight;
    this.update();
  }
}
