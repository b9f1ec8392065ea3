// The language of the page: Chinese or English. The English text of a message is its key in the catalogue.

const DATA = JSON.parse(byId("report-data").textContent);
const LANGUAGES = { en: "English", zh: "中文" };
const language = chosenLanguage();

/** `?lang=zh` decides, else the language of the browser. */
function chosenLanguage() {
  const asked = new URLSearchParams(location.search).get("lang");
  if (asked in LANGUAGES) return asked;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}

/** A message in the language of the page: `t("line {number}", { number: 3 })`. */
function t(message, values = {}) {
  const known = (language === "zh" && DATA.catalogue[message]) || message;
  return known.replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** A sentence about this model, which the report has in both languages. */
const said = (text) => (language === "zh" && DATA.translations[text]) || text;

/** A number of things: `1 node`, `20,000 nodes`. */
function count(number, noun) {
  const shown = number.toLocaleString("en");
  return language === "zh" ? `${shown} ${t(`${noun}(s)`)}` : `${shown} ${noun}${number === 1 ? "" : "s"}`;
}

/** Translates what stands in the HTML itself: elements with `data-t`, for their text or the attributes that it lists. */
function translatePage() {
  document.documentElement.lang = language;
  for (const element of document.querySelectorAll("[data-t]")) {
    const attributes = element.dataset.t.split(" ").filter(Boolean);
    if (!attributes.length) element.textContent = t(element.textContent);
    for (const name of attributes) element.setAttribute(name, t(element.getAttribute(name)));
  }
  const other = language === "zh" ? "en" : "zh";
  byId("language").textContent = LANGUAGES[other];
  byId("language").lang = other;
  byId("language").addEventListener("click", () => {
    location.search = `?lang=${other}`;
  });
}
