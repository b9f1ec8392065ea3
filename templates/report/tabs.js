// The tabs of the page, and its colours.

/** Opens a tab by its name when it is pressed or reached with the arrow keys; returns what opens one. */
function tabBar(names) {
  const open = (name) => {
    for (const tab of names) {
      const button = byId(`tab-${tab}`);
      button.setAttribute("aria-selected", String(tab === name));
      button.tabIndex = tab === name ? 0 : -1;
      byId(tab).hidden = tab !== name;
    }
  };
  for (const tab of names) byId(`tab-${tab}`).addEventListener("click", () => open(tab));
  document.querySelector(".tabs").addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || event.target.role !== "tab") return;
    const next = names[(names.indexOf(event.target.id.slice(4)) + step + names.length) % names.length];
    open(next);
    byId(`tab-${next}`).focus();
  });
  return open;
}

/** Light or dark, as the system is or as the button says; `changed` is called behind each change. */
function followTheme(changed) {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const show = (isDark) => {
    root.dataset.theme = isDark ? "dark" : "light";
    byId("theme").textContent = isDark ? "☀" : "☾";
    changed();
  };
  byId("theme").addEventListener("click", () => show(root.dataset.theme !== "dark"));
  dark.addEventListener("change", () => show(dark.matches));
  show(dark.matches);
}
