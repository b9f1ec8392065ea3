// The bars between the panes: dragged, or moved with the arrow keys; a double click puts them back.

const STEP = 40; // pixels for a press of a key
const LEAST = 160; // pixels that both panes keep

/** `property` of the grid that holds a bar takes the size of the pane before it. */
function splitter(bar, property) {
  const grid = bar.parentElement;
  const isUpright = bar.getAttribute("aria-orientation") === "vertical";
  const place = () => {
    const whole = grid.getBoundingClientRect();
    const own = bar.getBoundingClientRect();
    return isUpright ? [own.left - whole.left, whole.width] : [own.top - whole.top, whole.height];
  };
  const move = (size) => {
    const [, whole] = place();
    grid.style.setProperty(property, `${Math.round(Math.max(LEAST, Math.min(size, whole - LEAST)))}px`);
    bar.setAttribute("aria-valuenow", String(Math.round((100 * place()[0]) / whole)));
  };
  bar.addEventListener("pointerdown", (event) => {
    bar.setPointerCapture(event.pointerId);
    event.preventDefault();
  });
  bar.addEventListener("pointermove", (event) => {
    if (!bar.hasPointerCapture(event.pointerId)) return;
    const { left, top } = grid.getBoundingClientRect();
    move(isUpright ? event.clientX - left : event.clientY - top);
  });
  bar.addEventListener("dblclick", () => grid.style.removeProperty(property));
  bar.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -STEP, ArrowUp: -STEP, ArrowRight: STEP, ArrowDown: STEP }[event.key];
    if (!step) return;
    move(place()[0] + step);
    event.preventDefault();
  });
}
