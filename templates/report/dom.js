// Elements and text. Whatever comes from a model is set as text, never parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";

/** Makes an element: `el("button", {class: "icon", onclick: open}, "Open")`. */
function el(tag, properties, ...children) {
  return filled(document.createElement(tag), properties, children);
}

/** Makes an SVG element, likewise. */
function svg(tag, properties, ...children) {
  return filled(document.createElementNS(SVG, tag), properties, children);
}

function filled(element, properties, children) {
  for (const [name, value] of Object.entries(properties || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "text") element.textContent = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(2).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const byId = (id) => document.getElementById(id);

/** An error as people write it: `3.1e-6`, `0.25`; a dash where there is none. */
function scientific(value) {
  if (value === null || value === undefined) return "–";
  if (value === 0) return "0";
  return value >= 0.01 && value < 1000 ? value.toPrecision(2) : value.toExponential(1).replace("e+", "e");
}

/** A tensor's type and shape: `float32 [N, 3, 224, 224]`. */
function signature(value) {
  if (!value) return "";
  const shape = value.shape ? `[${value.shape.map((extent) => extent ?? "?").join(", ")}]` : t("of any rank");
  return `${value.dtype ?? "?"} ${shape}`;
}

/** Bytes with a unit. */
function bytes(number) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let i = 0;
  for (; number >= 1000 && i < units.length - 1; i++) number /= 1000;
  return `${i ? number.toPrecision(3) : number} ${units[i]}`;
}

/** Text that ends in … when it is longer than `length`. */
const shortened = (text, length) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);

/** Drops the domain that nearly every operator has. */
const operatorName = (operator) => operator.replace(/^onnx::/, "");

/** Copies a text, and says so on the button that was pressed; nothing where a page may not. */
function copyButton(text) {
  if (!navigator.clipboard) return null;
  const button = el("button", { class: "link copy", text: t("Copy") });
  button.addEventListener("click", () => {
    navigator.clipboard.writeText(text).then(() => {
      button.textContent = t("Copied");
    });
  });
  return button;
}
